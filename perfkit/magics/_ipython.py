"""Types for what the magics use of IPython, which has none of its own."""

import argparse
from collections.abc import Callable
from typing import Any, Protocol

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic
from IPython.core.magic import no_var_expand
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.display import display

Magic = Callable[..., object]


class Info(Protocol):
    """What was asked to run (`ExecutionInfo`)."""

    raw_cell: str
    silent: bool


class CellResult(Protocol):
    """What became of a cell (`ExecutionResult`)."""

    info: Info
    execution_count: int | None
    error_before_exec: BaseException | None
    error_in_exec: BaseException | None

    def raise_error(self) -> None:
        """Raise the error of the cell, if it had one."""


class DisplayHook(Protocol):
    """Shows the value of the last expression; knows the cell that is running."""

    exec_result: CellResult | None


class Compiler(Protocol):
    """IPython's compiler: the flags of future imports, and the name under which it knows a cell."""

    flags: int

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """The file name of a cell's code."""


class Events(Protocol):
    """Callbacks around cells."""

    def register(self, event: str, function: Callable[..., None]) -> None:
        """Call the function at each such event."""

    def unregister(self, event: str, function: Callable[..., None]) -> None:
        """Do so no more."""


class MagicsManager(Protocol):
    """The table of magics: kind (`line` or `cell`), then name."""

    magics: dict[str, dict[str, Magic]]


class Shell(Protocol):
    """The part of `InteractiveShell` that the magics use."""

    user_ns: dict[str, Any]
    execution_count: int
    ast_node_interactivity: str
    input_transformers_cleanup: list[Callable[[list[str]], list[str]]]
    ast_transformers: list[Any]
    displayhook: DisplayHook
    compile: Compiler
    events: Events
    magics_manager: MagicsManager

    def run_cell(self, raw_cell: str) -> CellResult:
        """Run a cell within a cell."""

    def showtraceback(self, exc_tuple: tuple[type[BaseException], BaseException, None]) -> None:
        """Show an error the way the frontend shows errors."""

    def push(self, variables: dict[str, Any]) -> None:
        """Put variables into the user's namespace."""

    def transform_cell(self, raw_cell: str) -> str:
        """The Python that IPython makes of a cell; raises `SyntaxError`."""


class MagicError(UsageError):  # type: ignore[misc]  # IPython is untyped
    """A mistake in the use of a magic, in a line or two that say what to do.

    IPython's own `UsageError` is only printed: tools that look for error outputs take the notebook for a
    success. This one is an error output, but still without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"UsageError: {self}"]


def show(item: object) -> None:
    """Display an object below the cell."""
    display(item)


def unexpanded(function: Magic) -> Magic:
    """Let a magic see its line as it was typed, without `$name` and `{name}` filled in."""
    marked: Magic = no_var_expand(function)
    return marked


def run_as_cell_magic(lines: list[str]) -> list[str]:
    """The one line of Python by which IPython runs a cell that starts with `%%`."""
    rewritten: list[str] = cell_magic(lines)
    return rewritten


def argument_parser(magic: str, description: str) -> argparse.ArgumentParser:
    """A parser without arguments yet, for a magic named with its percent signs."""
    # IPython puts the first percent sign there itself.
    parser: argparse.ArgumentParser = MagicArgumentParser(
        prog=magic.removeprefix("%"), description=description
    )
    return parser


def usage(parser: argparse.ArgumentParser) -> str:
    """The arguments of a magic in one line."""
    return " ".join(parser.format_usage().replace("::", "").split())
