"""EXPLAIN (FORMAT YAML) to the values of FORMAT JSON.

Read is what PostgreSQL writes, and no more: mappings and lists by indentation, lists in brackets, and scalars
as JSON writes them (`escape_yaml` is `escape_json`). Anchors, tags and several documents are refused like any
other line that PostgreSQL does not write, so no text can grow while it is read.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from perfkit.model.plan_lines import Line, expanded, refuse, shown, wrapping_of

_KEY = re.compile(r'("(?:[^"\\]|\\.)*"|[A-Za-z_][\w ./-]*):(?:\s+(.*))?')
_QUOTE = re.compile(r'\\.|"')


def read_yaml(lines: Sequence[Line]) -> object:
    """Read one document.

    Args:
        lines: of the document alone.

    Returns:
        A list with the statement, or the statement, as FORMAT JSON has it.

    Raises:
        PlanFormatError: if a line is not one that PostgreSQL writes.
    """
    plain = [line for line in map(expanded, lines) if line.text.strip()]
    wrapping = wrapping_of(plain)
    reader = _Reader()
    for broken in _whole_lines(plain):
        reader.read(Line(broken[0].number, wrapping.join([line.text for line in broken])))
    return reader.value


def is_yaml_start(text: str) -> bool:
    """Whether a plan in YAML may start with this line."""
    return re.fullmatch(r'\s*(?:- )?(?:Plan:|Query Text: ".*)\s*', text) is not None


def _whole_lines(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """The lines of each line that PostgreSQL wrote; there is one unless something has wrapped it."""
    broken: list[Line] = []
    quotes, has_key, escape = 0, False, ""
    for line in lines:
        text = line.text.strip()
        if broken and quotes % 2 == 0 and has_key and _starts(text):
            yield broken
            broken, quotes, has_key, escape = [], 0, False, ""
        broken.append(line)
        quotes += _QUOTE.findall(escape + line.text).count('"')
        # A line may be cut behind a backslash, which escapes the first character of the next one.
        ended = escape + line.text
        escape = "\\" * ((len(ended) - len(ended.rstrip("\\"))) % 2)
        has_key = has_key or ":" in text or text.startswith("- ")
    if broken:
        yield broken


def _starts(text: str) -> bool:
    return text.startswith("- ") or _KEY.fullmatch(text) is not None


class _Reader:
    """Puts one line after the other into the value."""

    def __init__(self) -> None:
        self.value: Any = None
        # From the outermost to the innermost: the column, and the mapping or list that stands there.
        self._path: list[tuple[int, Any]] = []
        # A key without a value: its mapping and name, until the next line shows what the value is.
        self._waiting: tuple[dict[str, Any], str] | None = None

    def read(self, line: Line) -> None:
        column, text = line.column, line.text.strip()
        while text.startswith("- "):
            items = self._container(line, column, [])
            text = text[2:].lstrip()
            column += 2
            match = _KEY.fullmatch(text)
            if match is None:
                items.append(_scalar(line, text))
                return
            self._push(column, {}, items.append)
        match = _KEY.fullmatch(text)
        if match is None:
            refuse(line.number, f"neither a key nor an item of a list: {shown(text)}")
        self._entry(line, self._container(line, column, {}), match)

    def _entry(self, line: Line, mapping: dict[str, Any], match: re.Match[str]) -> None:
        key = str(_scalar(line, match[1])) if match[1].startswith('"') else match[1]
        # An empty group, such as `Triggers: `, may be a list or a mapping; it says nothing either way.
        self._waiting = None if match[2] else (mapping, key)
        if match[2]:
            mapping[key] = _scalar(line, match[2])

    def _container(self, line: Line, column: int, fresh: Any) -> Any:
        """The mapping or list in this column: the one that is there, or a fresh one where one may be."""
        while self._path and self._path[-1][0] > column:
            self._path.pop()
            self._waiting = None
        if self._path and self._path[-1][0] == column and type(self._path[-1][1]) is type(fresh):
            return self._path[-1][1]
        if self._waiting is not None:
            mapping, key = self._waiting
            self._push(column, fresh, lambda value: mapping.update({key: value}))
        elif self.value is None:
            self.value = fresh
            self._push(column, fresh, lambda value: None)
        else:
            refuse(line.number, f"indented like nothing above it: {shown(line.text)}")
        return fresh

    def _push(self, column: int, container: Any, attach: Any) -> None:
        attach(container)
        self._path.append((column, container))
        self._waiting = None


def _scalar(line: Line, text: str) -> object:
    """A number, a truth, a text in quotes, or a list of those in brackets."""
    try:
        value: object = json.loads(text, strict=False)
    except (RecursionError, ValueError):
        refuse(line.number, f"not a value that PostgreSQL writes: {shown(text)}")
    return value
