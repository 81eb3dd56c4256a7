"""Runs the cell of a magic again, to see whether memory grows from run to run."""

import argparse
import ast
import inspect
from types import CodeType

from perfkit.capture.side_effects import SideEffectWatch
from perfkit.magics._ipython import CellResult, MagicError, Shell
from perfkit.session import Measurement

_SHELL_CALLS = frozenset({"system", "getoutput", "run_line_magic", "run_cell_magic"})
_YES = "If it may all happen again, add --yes."


class Repetition:
    """The cell that is running, ready to be run again without its magics.

    Args:
        shell: where it runs.
        token: the running cell.
        arguments: of the magic, with `repeat` (how often) and `yes` (whatever it does).

    Raises:
        MagicError: if the cell cannot be run again, before it has run once.
    """

    def __init__(self, shell: Shell, token: CellResult | None, arguments: argparse.Namespace) -> None:
        if token is None:
            raise MagicError("%%memtrace: --repeat needs a cell of a notebook or of IPython.")
        self._shell, self._times, self._is_allowed = shell, arguments.repeat, arguments.yes
        self._code = self._compiled(token.info.raw_cell, token.execution_count or 0)
        self._watch = SideEffectWatch()
        self._effects: tuple[str, ...] = ()

    def start(self) -> None:
        """Watch for side effects; none are noted before `arm`."""
        self._watch.start()

    def arm(self) -> None:
        """The cell begins."""
        self._watch.arm()

    def disarm(self) -> None:
        """The cell has ended."""
        self._watch.disarm()

    def stop(self) -> None:
        """Leave nothing behind. Idempotent."""
        self._effects = self._watch.stop() or self._effects

    def run(self, measurement: Measurement) -> MagicError | None:
        """Run the cell again and again; its values and prints are not shown.

        Returns:
            Why it was not, if it was not.
        """
        if self._effects and not self._is_allowed:
            seen = ", ".join(self._effects)
            return MagicError(f"%%memtrace: not repeated, the cell has side effects: {seen}.\n{_YES}")
        measurement.repeat(lambda: exec(self._code, self._shell.user_ns), self._times)  # noqa: S102 - the user's cell
        return None

    def _compiled(self, raw_cell: str, number: int) -> CodeType:
        text = self._shell.transform_cell(raw_cell)
        module = ast.parse(text)
        # The first statement begins to measure.
        body = ast.Module(module.body[1:], [])
        name = self._shell.compile.get_code_name(raw_cell, text, number)
        flags = self._shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(body, name, "exec", flags=flags, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            raise MagicError(
                "%%memtrace: a cell with await at its top level cannot be repeated.\n"
                "Leave out --repeat, or put the await into a function and run that by asyncio in a script."
            )
        if not self._is_allowed and _asks_the_shell(body):
            raise MagicError(f"%%memtrace: the cell runs commands, magics or input(). {_YES}")
        return code


def _asks_the_shell(body: ast.Module) -> bool:
    """Whether the cell runs `!commands` or magics, which IPython has made calls of, or asks for input."""
    calls = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
    names = {function.id for function in calls if isinstance(function, ast.Name)}
    attributes = {function.attr for function in calls if isinstance(function, ast.Attribute)}
    return bool(attributes & _SHELL_CALLS) or "input" in names
