"""EXPLAIN (FORMAT XML) to the values of FORMAT JSON.

The standard library's expat reads it, event by event. A document type, without which there are no entities of
its own, is refused: nothing is expanded, nothing is fetched.
"""

from collections.abc import Sequence
from typing import Any
from xml.parsers import expat

from perfkit.model.plan_lines import Line, refuse, text_of
from perfkit.model.plan_values import typed

# What JSON has as a list; everything else with elements inside is a mapping.
_LISTS = frozenset(
    {"Plans", "Triggers", "Workers", "Target Tables", "Grouping Sets", "Group Keys", "Hash Keys"}
)
# Names of settings are kept, and their values are text.
_SETTINGS = "Settings"
_MAX_DEPTH = 1000


def read_xml(lines: Sequence[Line]) -> object:
    """Read one document.

    Args:
        lines: of the document alone.

    Returns:
        The statement as FORMAT JSON has it.

    Raises:
        PlanFormatError: if it is not well-formed, brings a document type, or holds no plan.
    """
    first, text = lines[0].number, text_of(lines)
    reader = _Reader(first)
    try:
        reader.parse(text)
    except expat.ExpatError as error:
        line_number = min(first + error.lineno - 1, lines[-1].number)
        refuse(line_number, f"the XML is damaged ({expat.ErrorString(error.code)})")
    except UnicodeEncodeError:
        refuse(first, "the XML holds half a character, which no file can")
    return reader.statement()


class _Reader:
    """Builds the value while expat reports the elements."""

    def __init__(self, first_line: int) -> None:
        self._first_line = first_line
        # Each open element: its name, its children by name in order, and its text.
        self._open: list[tuple[str, list[tuple[str, Any]], list[str]]] = [("", [], [])]
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def parse(self, text: str) -> None:
        # A declaration names an encoding that the text, once pasted, no longer has.
        self._parser.Parse(text.encode(), True)

    def statement(self) -> object:
        value = self._open[0][1][-1][1] if self._open[0][1] else None
        return value["Query"] if isinstance(value, dict) and "Query" in value else value

    @property
    def _line(self) -> int:
        return self._first_line + self._parser.CurrentLineNumber - 1

    def _start(self, name: str, attributes: object) -> None:
        if len(self._open) > _MAX_DEPTH:
            refuse(self._line, f"more than {_MAX_DEPTH} elements within each other")
        is_setting = self._open[-1][0] == _SETTINGS
        self._open.append((name if is_setting else _key(name), [], []))

    def _end(self, name: str) -> None:
        key, children, texts = self._open.pop()
        self._open[-1][1].append((key, self._value(key, children, "".join(texts))))

    def _value(self, key: str, children: list[tuple[str, Any]], text: str) -> Any:
        is_key_set = self._open[-1][0] in ("Group Keys", "Hash Keys")
        if key in _LISTS or is_key_set or any(name == "Item" for name, _ in children):
            return [value for _, value in children]
        if children:
            return _mapping(children)
        if self._open[-1][0] == _SETTINGS:
            return text
        return {} if key == _SETTINGS else typed(key, text)

    def _text(self, text: str) -> None:
        self._open[-1][2].append(text)

    def _doctype(self, *declaration: object) -> None:
        refuse(self._line, "a plan has no document type (<!DOCTYPE …>)")


def _key(name: str) -> str:
    """A name in XML has no blank and no slash."""
    return name.replace("-", " ").replace("I O ", "I/O ").replace("One Time", "One-Time")


def _mapping(children: list[tuple[str, Any]]) -> dict[str, Any]:
    """XML names the groups of an incremental sort alike that JSON tells apart; their order is the same."""
    found: dict[str, Any] = {}
    for key, value in children:
        found[_told_apart(key, found)] = value
    return found


def _told_apart(key: str, before: dict[str, Any]) -> str:
    if key == "Incremental Sort Groups":
        return "Pre-sorted Groups" if "Full-sort Groups" in before else "Full-sort Groups"
    if key == "Sort Space":
        is_disk = "Sort Space Memory" in before or "external" in str(before.get("Sort Methods Used"))
        return "Sort Space Disk" if is_disk else "Sort Space Memory"
    return key
