"""What one cell magic is: its name, its arguments, and what it measures."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from perfkit.magics._arguments import parse_line
from perfkit.magics._ipython import MagicError, Shell, argument_parser
from perfkit.session import Measurement, Result

Check = Callable[[Result, argparse.Namespace], Exception | None]


def _no_check(result: Result, arguments: argparse.Namespace) -> None:
    return None


@dataclass(frozen=True)
class CellMagic:
    """A cell magic that measures the Python below it.

    Attributes:
        name: without percent signs.
        summary: one line of help.
        add_arguments: declares what may stand after the name.
        measurement: the measurement of one cell, not started; given the shell, the arguments and what the
            cell is called in reports.
        check: after the cell, the error with which it should fail, if any.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    measurement: Callable[[Shell, argparse.Namespace, str], Measurement]
    check: Check = _no_check

    @property
    def typed(self) -> str:
        """The name as a person types it."""
        return f"%%{self.name}"

    def parser(self) -> argparse.ArgumentParser:
        """A parser of its arguments, from which its help is made too."""
        parser = argument_parser(self.typed, self.summary)
        self.add_arguments(parser)
        return parser

    def run(self, shell: Shell, line: str, title: str) -> "Run":
        """What is to be measured for these arguments; nothing is started.

        Args:
            shell: whose variables the arguments name.
            line: the arguments as they were typed.
            title: what reports call the cell unless it is given a NAME.

        Raises:
            MagicError: if the arguments do not fit.
        """
        arguments = parse_line(self.parser(), self.typed, line)
        return Run(self, arguments, self.measurement(shell, arguments, arguments.name or title))


@dataclass(frozen=True)
class Run:
    """One magic on one cell."""

    magic: CellMagic
    arguments: argparse.Namespace
    measurement: Measurement

    def start(self) -> None:
        """Start to measure.

        Raises:
            MagicError: if that is not possible now, for example because another profiler is running.
        """
        try:
            self.measurement.start()
        except Exception as error:
            raise MagicError(f"{self.magic.typed} cannot measure this cell: {error}") from None
