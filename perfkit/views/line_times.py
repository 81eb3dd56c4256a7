"""Functions that were timed line by line: each line with its time, its share and its source."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import PurePath

from perfkit.model.cpu import LineTime
from perfkit.views._format import milliseconds
from perfkit.views._functions import printable, seconds_text
from perfkit.views._html import Content, Html, bar, code, join, paragraph, section, table, tag
from perfkit.views._text_table import aligned

_HEADERS = ("line", "hits", "time", "share", "source")
_NUMERIC = range(4)
# A line of this share of its function or more is where a reader looks.
_STRONG = 0.2
_RECURSIVE = (
    "{} called itself: the line of the inner call includes all that happens in it, which counts again for "
    "the inner call's own lines. Only the other lines are exact."
)
_NOTE = "A line's time contains what it called, but not what it waited for at an await."


def text_lines(lines: Sequence[LineTime]) -> list[str]:
    """The tables for a terminal, one a function, each after an empty line; none if nothing was timed."""
    shown: list[str] = []
    for title, group in _by_function(lines):
        body = [_HEADERS, *(_cells(line, share) for line, share in _with_shares(group))]
        shown += ["", title, *aligned(body, numeric=_NUMERIC)]
        shown += _remark(group)
    return [*shown, _NOTE] if shown else []


def as_html(lines: Sequence[LineTime]) -> Html:
    """The tables for a notebook; empty if nothing was timed."""
    parts: list[Content] = []
    for title, group in _by_function(lines):
        body: list[list[Content]] = []
        for line, share in _with_shares(group):
            cells: list[Content] = [*_cells(line, share)]
            cells[3] = bar(share, strong=share >= _STRONG, width_px=70)
            cells[4] = tag("span", code(_cells(line, share)[4]), "white-space:pre")
            body.append(cells)
        parts += [section(title), table(_HEADERS, body, numeric=_NUMERIC)]
        parts += [paragraph(remark, quiet=True) for remark in _remark(group)]
    return join([*parts, paragraph(_NOTE, quiet=True)] if parts else [])


def _by_function(lines: Sequence[LineTime]) -> Iterator[tuple[str, list[LineTime]]]:
    def owner(line: LineTime) -> tuple[str, str]:
        location = line.location
        return location.cell or PurePath(location.file_path).name, location.function_name

    for (place, name), group in groupby(lines, owner):
        found = list(group)
        total = milliseconds(sum(line.time_s for line in found) * 1000)
        again = ", inner calls counted again" if found[0].is_recursive else ""
        yield f"{printable(name)} ({printable(place)}), line by line: {total}{again}", found


def _remark(group: Sequence[LineTime]) -> list[str]:
    return [_RECURSIVE.format(printable(group[0].location.function_name))] if group[0].is_recursive else []


def _with_shares(group: Iterable[LineTime]) -> list[tuple[LineTime, float]]:
    found = list(group)
    total_s = sum(line.time_s for line in found)
    return [(line, line.time_s / total_s if total_s else 0.0) for line in found]


def _cells(line: LineTime, share: float) -> tuple[str, str, str, str, str]:
    source = printable(line.location.source_text.expandtabs(4))
    return f"{line.location.line_number}", f"{line.hits:,}", seconds_text(line.time_s), f"{share:.0%}", source
