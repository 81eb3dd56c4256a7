"""Plans in a server's log: the entries of auto_explain, in every `log_destination`.

An entry is `duration: 12.3 ms  plan:`, and the plan in the lines that follow: behind a tab each in the plain
log, in one quoted field of the CSV log, in one line of the JSON log.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.plan_lines import Line, lines_of
from perfkit.model.plan_values import DECIMAL

# In a literal of a condition something else stands around it.
_ENTRY = re.compile(rf"(?:^|(?<=[\s\"]))duration: {DECIMAL} ms  ?plan:(?=\s|\\n|$)")
_NEXT = re.compile(r"(?:^|\s)(?:LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|DETAIL|HINT|CONTEXT|STATEMENT):  ")
_TAB = re.compile(r"\t|#011|\^I")
_END_OF_FIELD = re.compile(r'(?<!")(?:"")*"(?:,|$)')


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What one entry holds: how long the statement took, in milliseconds, and the lines of its plan."""

    duration_ms: float
    lines: tuple[Line, ...]


def log_entries(lines: Sequence[Line]) -> list[LogEntry]:
    """The plans of a log in their order; none where the text is no log of auto_explain.

    Args:
        lines: as they were pasted; other entries may stand between.
    """
    starts = [(i, match) for i, line in enumerate(lines) if (match := _ENTRY.search(line.text))]
    ends = [*(start for start, _ in starts[1:]), len(lines)]
    return [
        LogEntry(float(match[1]), tuple(_body(lines[start:end], match)))
        for (start, match), end in zip(starts, ends, strict=False)
    ]


def _body(lines: Sequence[Line], match: re.Match[str]) -> list[Line]:
    first = lines[0]
    if first.text.lstrip().startswith("{"):
        return _of_json(first)
    rest = [Line(first.number, first.text[match.end() :]), *lines[1:]]
    if first.text[: match.start()].endswith('"'):
        return _of_field(rest)
    return _of_plain(rest)


def _of_json(line: Line) -> list[Line]:
    try:
        message = json.loads(line.text).get("message", "")
    except (RecursionError, ValueError, AttributeError):
        return [line]
    text = _ENTRY.sub("", str(message), count=1)
    return [Line(line.number, part.text) for part in lines_of(text)]


def _of_field(lines: Sequence[Line]) -> list[Line]:
    """The rest of a quoted field of CSV."""
    body = []
    for line in lines:
        end = _END_OF_FIELD.search(line.text)
        # A doubled quote and a comma are text: `""a"", ""b""`.
        text = line.text[: end.end()].rstrip(",")[:-1] if end else line.text
        body.append(Line(line.number, text.replace('""', '"')))
        if end:
            break
    return body


def _of_plain(lines: Sequence[Line]) -> list[Line]:
    """Up to the next entry. Where the plan stands behind tabs, a line without one is the next entry's."""
    has_tabs = len(lines) > 1 and _TAB.match(lines[1].text) is not None
    body = [lines[0]]
    for line in lines[1:]:
        tab = _TAB.match(line.text)
        if _NEXT.search(line.text) if not has_tabs else (tab is None and line.text.strip()):
            break
        # syslog writes every tab as its number.
        text = line.text[tab.end() :].replace(tab[0], "\t") if has_tabs and tab else line.text
        body.append(Line(line.number, text))
    return body
