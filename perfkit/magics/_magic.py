"""What one cell magic is: its name, its arguments, and what it measures."""

import argparse
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from perfkit.magics._arguments import parse_line
from perfkit.magics._ipython import Shell, argument_parser
from perfkit.magics._namespace import refuse_taken_name
from perfkit.magics._parts import Parts
from perfkit.model.trace import Trace
from perfkit.session import Focus, Result

Check = Callable[[Result, argparse.Namespace], Exception | None]
Follow = Callable[[Result, argparse.Namespace], Iterable[object]]


def _no_check(result: Result, arguments: argparse.Namespace) -> None:
    return None


def _nothing_more(result: Result, arguments: argparse.Namespace) -> Iterable[object]:
    return ()


def _code_wanted(line: str) -> str:
    return "Write the code to measure below it."


@dataclass(frozen=True)
class CellMagic:
    """A cell magic that measures the Python below it.

    Attributes:
        name: without percent signs.
        focus: the part of the result that it shows first.
        summary: one line of help.
        add_arguments: declares what may stand after the name.
        parts: what is measured, given the shell and the arguments.
        check: after the cell, the error with which it should fail, if any.
        follow: after the cell, what is shown below the result; may raise `MagicError`.
        wanted: what to do about an empty cell, given the line after the name.
    """

    name: str
    focus: Focus
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    parts: Callable[[Shell, argparse.Namespace], Parts]
    check: Check = _no_check
    follow: Follow = _nothing_more
    wanted: Callable[[str], str] = _code_wanted

    @property
    def typed(self) -> str:
        """The name as a person types it."""
        return f"%%{self.name}"

    @functools.cached_property
    def parser(self) -> argparse.ArgumentParser:
        """A parser of its arguments, from which its help is made too."""
        parser = argument_parser(self.typed, self.summary)
        self.add_arguments(parser)
        return parser

    def run(self, shell: Shell, line: str) -> "Run":
        """What is to be measured for these arguments; nothing is started.

        Raises:
            MagicError: if the arguments do not fit.
        """
        arguments = parse_line(self.parser, self.typed, line)
        refuse_taken_name(shell, self.typed, arguments.name)
        return Run(self, arguments, self.parts(shell, arguments))


@dataclass(frozen=True)
class Run:
    """One magic on one cell."""

    magic: CellMagic
    arguments: argparse.Namespace
    parts: Parts

    @property
    def name(self) -> str | None:
        """The variable that takes the result."""
        name: str | None = self.arguments.name
        return name

    def result(self, trace: Trace) -> Result:
        """This magic's part of what was measured."""
        own = replace(self.parts.of(trace), name=self.name or trace.name)
        return Result(own, self.magic.focus, getattr(self.arguments, "target", None))
