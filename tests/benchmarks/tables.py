"""A table of results, as plain text for the terminal and as Markdown for the README."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any


@dataclass(frozen=True)
class Table:
    """Cells are text, ready to show; notes say how it was measured. One that was skipped has no numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    is_skipped: bool = False

    def as_text(self) -> str:
        """Columns in line: the first to the left, the others to the right."""
        grid = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
        lines = [self.title, "-" * len(self.title)]
        for row in grid:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *self.notes])

    def as_markdown(self) -> str:
        """A table of GitHub's Markdown under a small heading."""
        align = [":--", *["--:"] * (len(self.columns) - 1)]
        rows = [_markdown_row(row) for row in (self.columns, align, *self.rows)]
        return "\n".join([f"#### {self.title}", "", *rows, *(f"\n{note}" for note in self.notes)])

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median and, behind it, the quarter marks: `12.3 (11.8 to 13.0)`."""
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        low, _, high = quantiles(values, n=4)
    return f"{median(values):,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def tenth(values: Sequence[float]) -> float:
    """The 10th percentile: what the machine does when nobody disturbs it."""
    return quantiles(values, n=10, method="inclusive")[0] if len(values) >= 2 else values[0]


def verdict(is_met: bool) -> str:
    """The word for a target."""
    return "met" if is_met else "MISSED"
