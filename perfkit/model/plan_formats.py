"""The four formats of EXPLAIN: which one starts where, and how far it goes."""

import json
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from perfkit.model.plan_lines import Line, refuse, text_of, wrapping_of
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan
from perfkit.model.plan_text import read_text
from perfkit.model.plan_text_lines import is_last, is_root, is_second_root, starts_line
from perfkit.model.plan_values import open_after
from perfkit.model.plan_xml import read_xml
from perfkit.model.plan_yaml import is_yaml_start, read_yaml

_JSON_START = re.compile(r"\s*[\[{]\s*(?:[\[{\"].*)?", re.DOTALL)
_XML_START = re.compile(r"\s*<(?:\?xml|!DOCTYPE|explain)\b.*", re.DOTALL)


class Found(NamedTuple):
    """The values of FORMAT JSON that were found, and the lines that hold them."""

    statements: Sequence[object]
    lines: Sequence[Line]


Reader = Callable[[Sequence[Line]], Found]


def is_json_start(text: str) -> bool:
    """Whether JSON may start with this line."""
    return _JSON_START.fullmatch(text) is not None


def plan_start(lines: Sequence[Line]) -> tuple[int, Reader] | None:
    """Where a plan starts, and how it is read; `None` where there is none.

    Args:
        lines: without a frame.

    Returns:
        The index of its first line, and a function that reads from there on.
    """
    is_below_query = False
    for at, line in enumerate(lines):
        # In its text format a log shows the statement as it is; its lines may look like anything.
        is_below_query = is_below_query or line.text.startswith("Query Text: ")
        if is_below_query and not is_yaml_start(line.text) and not is_root(line.text):
            continue
        if is_json_start(line.text):
            return at, _or_put_together(_found_json)
        if _XML_START.fullmatch(line.text):
            return at, _or_put_together(_found_xml)
        if is_yaml_start(line.text):
            return at, _found_yaml
        if is_root(line.text):
            return at, _found_text
    return None


def _or_put_together(read: Reader) -> Reader:
    """Where something has wrapped the lines within words, all of them put together can be read."""

    def read_either(lines: Sequence[Line]) -> Found:
        try:
            return read(lines)
        except PlanFormatError as error:
            wrapping = wrapping_of(lines)
            for way in (wrapping, wrapping.other):
                found = _whole(read, Line(lines[0].number, way.join([line.text for line in lines])))
                if found is not None:
                    return Found(found.statements, lines)
            raise error from None

    return read_either


def _whole(read: Reader, line: Line) -> Found | None:
    try:
        found = read([line])
        for statement in found.statements:
            read_postgresql_plan(statement)
    except PlanFormatError:
        return None
    return found


def _found_json(lines: Sequence[Line]) -> Found:
    text = text_of(lines)
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = lines[min(error.lineno, len(lines)) - 1].number
        is_cut = error.pos >= len(text.rstrip())
        refuse(where, "the JSON ends in the middle" if is_cut else f"the JSON is damaged ({error.msg})")
    except (RecursionError, ValueError) as error:
        refuse(lines[0].number, f"the JSON cannot be decoded ({type(error).__name__})")
    statements = value if isinstance(value, list) and len(value) > 1 else [value]
    return Found(statements, lines[: text.count("\n", 0, end) + 1])


def _found_xml(lines: Sequence[Line]) -> Found:
    end = next((i for i, line in enumerate(lines, 1) if "</explain>" in line.text), len(lines))
    return Found([read_xml(lines[:end])], lines[:end])


def _found_yaml(lines: Sequence[Line]) -> Found:
    """Up to an empty line, which PostgreSQL never writes, or to the next statement."""
    first = lines[0]
    ends = (
        i
        for i, line in enumerate(lines)
        if not line.text.strip()
        or (i and line.column == first.column and line.text.lstrip().startswith("- "))
    )
    end = next(ends, len(lines))
    return Found([read_yaml(lines[:end])], lines[:end])


def _found_text(lines: Sequence[Line]) -> Found:
    """Up to the last line that EXPLAIN writes, the root of another plan, or what somebody wrote below it."""
    end, is_parted = len(lines), False
    quote, depth = "", 0
    for i, line in enumerate(lines):
        text = line.text.strip()
        is_closed = not (quote or depth)
        if i and (is_second_root(line, lines[0]) or (is_parted and text and not starts_line(text))):
            end = i
            break
        if is_last(text):
            end = i + 1
            break
        is_parted = is_closed and not text
        quote, depth = open_after(text, quote, depth)
    return Found([read_text(lines[:end])], lines[:end])
