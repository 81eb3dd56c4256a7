"""Columns of text for a terminal."""

from collections.abc import Collection, Sequence


def aligned(lines: Sequence[Sequence[str]], *, numeric: Collection[int]) -> list[str]:
    """The lines of a table for a terminal.

    Args:
        lines: a cell for each column, the headers first.
        numeric: columns that stand to the right.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in numeric else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
