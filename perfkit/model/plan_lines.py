"""Lines of a pasted plan that remember where they stood, and what is said when one cannot be read."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, NoReturn

from perfkit.model.plan_reader import PlanFormatError
from perfkit.model.wording import one_line

# A wide tab keeps columns apart that differ; PostgreSQL itself indents by blanks alone.
_TAB_WIDTH = 8
_SHOWN = 60
# Lines that end this close below the width were broken between words rather than cut.
_NEAR = 6


class Line(NamedTuple):
    """One line: its number in what was pasted, counted from 1, and its text."""

    number: int
    text: str

    @property
    def column(self) -> int:
        """Blanks before the text."""
        return len(self.text) - len(self.text.lstrip())


def lines_of(text: str) -> list[Line]:
    """The lines of a text, whatever ends them; unbreakable blanks before a line become blanks."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return [Line(number, _indented(line)) for number, line in enumerate(plain.split("\n"), start=1)]


def _indented(line: str) -> str:
    rest = line.lstrip(" \t\xa0")
    return line[: len(line) - len(rest)].replace("\xa0", " ") + rest


def expanded(line: Line) -> Line:
    """The line with its tabs turned into blanks, and none at its end."""
    return Line(line.number, line.text.expandtabs(_TAB_WIDTH).rstrip())


def text_of(lines: Iterable[Line]) -> str:
    """The lines as one text."""
    return "\n".join(line.text for line in lines)


class Wrapping(NamedTuple):
    """How lines were broken: cut at a width by a terminal, or between words by a mail.

    `is_cut` says the first; `width` is that of the longest line.
    """

    is_cut: bool
    width: int

    def join(self, lines: Sequence[str]) -> str:
        """The line that they were."""
        if not self.is_cut:
            return " ".join([lines[0], *map(str.lstrip, lines[1:])])
        # A blank at the end of a cut line does not survive copying.
        return "".join(line if len(line) >= self.width else f"{line} " for line in lines[:-1]) + lines[-1]

    @property
    def other(self) -> "Wrapping":
        """The other way to break lines."""
        return Wrapping(not self.is_cut, self.width)


def wrapping_of(lines: Sequence[Line]) -> Wrapping:
    """How lines seem to have been broken: cut ones all end at the same width."""
    lengths = [len(line.text) for line in lines]
    width = max(lengths, default=0)
    near = sum(width - _NEAR <= length < width for length in lengths)
    return Wrapping(lengths.count(width) > near, width)


def refuse(number: int, reason: str) -> NoReturn:
    """Say that a plan cannot be read.

    Raises:
        PlanFormatError: always.
    """
    raise PlanFormatError(f"This plan cannot be read. Line {number}: {reason}.") from None


def shown(text: str) -> str:
    """A piece of a line for a message, short and on one line."""
    return one_line(text, _SHOWN)
