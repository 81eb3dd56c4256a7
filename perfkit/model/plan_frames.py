"""What programs draw around a plan, taken away again: tables, rules, marks of continued lines, quotes.

psql's formats are those of its manual (aligned, wrapped, expanded, unaligned, CSV, all borders and line
styles); pgAdmin quotes each line as a cell of CSV, DBeaver ends each line with a bar.
"""

import json
import re
from collections.abc import Callable, Sequence

from perfkit.model.plan_lines import Line, lines_of, text_of

# Around every line alike: quotes of a mail, Docker Compose, syslog, timestamps of a container's log.
_PREFIXES = tuple(
    map(
        re.compile,
        (
            r"\s*> ?",
            r"[\w.-]+ +\| ",
            r"\w{3} +\d+ [\d:]+ \S+ \S+?(?:\[\d+\])?: (?:\[\d+-\d+\] )?",
            r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) (?:\S+ \S+?\[\d+\]: )?(?:\[\d+-\d+\] )?",
        ),
    )
)
_FENCE = re.compile(r"\s*(?:```|~~~)\w*\s*")
_RULE = re.compile(r"[\s|+─│┼├┤┌┐└┘┬┴╞╡╪═╔╗╚╝╠╣║-]+")
_DASHES = ("---", "───", "═══")
_RECORD = re.compile(r"[┌├╔╠+]?[-─═*]\[ RECORD \d+ \].*")
_HEADER = re.compile(r"""[\s|│║"']*QUERY PLAN[\s|│║"';,]*""", re.IGNORECASE)
_NAMED = re.compile(r"[|│║]?\s{0,9}QUERY PLAN\s{0,9}[|│║] ?", re.IGNORECASE)
_UNNAMED = re.compile(r"[|│║]?\s{9,30}[|│║] ?")
_FOOTER = re.compile(r"\(\d+ [^\d()]{1,20}\)|Time: [\d.,]+ ms.*|\S*[=(^*!-][#>]")
_BARS = "|│║"
# psql ends a line of a value with these where the value goes on in the next line of the table.
_CONTINUED = ("+", "↵")
_CELL_START = re.compile(r"\s*(?:[\[{]|- Plan:|Plan:|Query Text:.*|<explain\b.*)\s*[+↵]")
_WRAPPED = (".", "…")
_ROUNDS = 4


def is_header(line: Line) -> bool:
    """Whether the line is the name of the column, which PostgreSQL calls QUERY PLAN."""
    return _HEADER.fullmatch(line.text) is not None


def names_a_plan(line: Line) -> bool:
    """Whether the line is the header, or starts with it as the lines of psql's expanded table do."""
    return is_header(line) or _NAMED.match(line.text) is not None


def unframed(lines: Sequence[Line]) -> list[Line]:
    """The lines without what was drawn around them.

    Args:
        lines: of one table, or of text without any.

    Returns:
        The plan's own lines; those that only framed it are gone. Each keeps its number.
    """
    current = list(lines)
    for _ in range(_ROUNDS):
        before = current
        for step in _STEPS:
            current = step(current)
        if current == before:
            break
    return current


def without_prefix(lines: list[Line]) -> list[Line]:
    """The lines without what a program has put before each of them: `> `, a name, the time."""
    written = [line for line in lines if line.text.strip()]
    for prefix in _PREFIXES:
        if len(written) > 1 and all(prefix.match(line.text) for line in written):
            return [_cut(line, prefix) for line in lines]
    return lines


def _cut(line: Line, *prefixes: re.Pattern[str]) -> Line:
    """The line without the first of these that it starts with."""
    match = next((match for prefix in prefixes if (match := prefix.match(line.text))), None)
    return Line(line.number, line.text[match.end() :]) if match else line


def _without_rules(lines: list[Line]) -> list[Line]:
    return [line for line in lines if not _is_drawn(line.text)]


def _is_drawn(text: str) -> bool:
    """Whether the line belongs to the frame alone."""
    is_rule = _RULE.fullmatch(text) is not None and any(dashes in text for dashes in _DASHES)
    frames = (_FENCE.fullmatch(text), _RECORD.fullmatch(text), _HEADER.fullmatch(text))
    return is_rule or any(frames) or _FOOTER.fullmatch(text.strip()) is not None


def _without_expanded_names(lines: list[Line]) -> list[Line]:
    """psql's expanded table has the column's name before each line."""
    if not any(_NAMED.match(line.text) for line in lines):
        return lines
    return [_cut(line, _NAMED, _UNNAMED) for line in lines]


def _without_bars(lines: list[Line]) -> list[Line]:
    written = [line.text.strip() for line in lines if line.text.strip()]
    left = bool(written) and all(text[0] in _BARS for text in written)
    right = bool(written) and all(text[-1] in _BARS for text in written)
    if not (left or right):
        return lines
    return [Line(line.number, _without_sides(line.text, left=left, right=right)) for line in lines]


def _without_sides(text: str, *, left: bool, right: bool) -> str:
    if left:
        text = text.lstrip()[1:]
    return text.rstrip()[:-1].rstrip() if right else text


def _without_continuation_marks(lines: list[Line]) -> list[Line]:
    first = next((line for line in lines if line.text.strip()), None)
    if first is None or _CELL_START.fullmatch(first.text) is None:
        return lines
    return [
        Line(line.number, text[:-1].rstrip() if (text := line.text.rstrip()).endswith(_CONTINUED) else text)
        for line in lines
    ]


def _without_wrapping_marks(lines: list[Line]) -> list[Line]:
    """psql's wrapped format ends a line that goes on with a dot, and starts the next one with it.

    Every other line starts with a blank there, so that two dots of `0.01..0.02` are not taken for marks.
    """
    if any(line.text[:1] not in (" ", "", *_WRAPPED) for line in lines):
        return lines
    joined: list[Line] = []
    for line in lines:
        before = joined[-1].text if joined else ""
        mark = before[-1:]
        if mark in _WRAPPED and line.text[:1] == mark:
            joined[-1] = Line(joined[-1].number, before[:-1] + line.text[1:])
        else:
            joined.append(line)
    return joined


def _without_cells(lines: list[Line]) -> list[Line]:
    """Cells of CSV: all lines together are one, or each is one, with quotes or without."""
    written = [line for line in lines if line.text.strip()]
    if not written or written[0].text.lstrip()[:1] in tuple("[{-<"):
        return lines
    if any(_is_cell(line.text) for line in written):
        return [_uncelled(line) if _is_cell(line.text) else line for line in written]
    if not written[0].text.lstrip().startswith('"'):
        return lines
    return _unescaped(written) or _one_cell(written) or lines


def _one_cell(lines: list[Line]) -> list[Line]:
    """What stands between the first quote and the last one; nothing if the last is missing."""
    texts = [line.text for line in lines]
    texts[0] = texts[0].lstrip()[1:]
    last = texts[-1].rstrip().rstrip(",;")
    if not last.endswith('"'):
        return []
    texts[-1] = last[:-1]
    return [Line(line.number, text.replace('""', '"')) for line, text in zip(lines, texts, strict=True)]


def _is_cell(text: str) -> bool:
    cell = text.rstrip().rstrip(",;")
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return is_quoted and '"' not in cell[1:-1].replace('""', "")


def _uncelled(line: Line) -> Line:
    return Line(line.number, line.text.rstrip().rstrip(",;")[1:-1].replace('""', '"'))


def _unescaped(lines: list[Line]) -> list[Line]:
    """Of one text in quotes as programming languages write it; nothing if it is none."""
    try:
        value = json.loads(text_of(lines), strict=False)
    except ValueError:
        return []
    return [Line(lines[0].number, line.text) for line in lines_of(value)] if isinstance(value, str) else []


_STEPS: tuple[Callable[[list[Line]], list[Line]], ...] = (
    without_prefix,
    _without_rules,
    _without_expanded_names,
    _without_bars,
    _without_continuation_marks,
    _without_wrapping_marks,
    _without_cells,
)
