"""What each test sent when it was recorded: a file that people read in a pull request.

A statement is known by its shape and by the file and function that sent it: no line numbers, which change
with every edit above them, and no values. Sorted, so that recording twice gives the same bytes.
"""

import ast
import functools
import json
import linecache
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan

FORMAT_VERSION = 1
_VERSION_KEY = "perfkit_baseline"


class Source(NamedTuple):
    """A statement's shape and the place that sends it, such as `shop/pages.py:author_page`."""

    statement: str
    sent_from: str


Counts = dict[Source, int]


class BaselineError(ValueError):
    """The file cannot be used; the message says why and what to do."""


class Change(NamedTuple):
    """One shape that a test sends more or less often than was recorded."""

    statement: str
    recorded: int
    sent: int


def source_of(span: QuerySpan, root: Path) -> Source:
    """What identifies a statement in every run on every machine.

    Args:
        span: the statement.
        root: the folder that paths are relative to.
    """
    return Source(span.query_text, _sender(span.call_site, root) if span.call_site else "")


@functools.lru_cache(maxsize=4096)
def _sender(site: CodeLocation, root: Path) -> str:
    return f"{relative(site.file_path, root)}:{function_name(site)}"


def count_sources(spans: tuple[QuerySpan, ...], root: Path) -> Counts:
    """How often each statement was sent."""
    counts: Counts = {}
    for span in spans:
        source = source_of(span, root)
        counts[source] = counts.get(source, 0) + 1
    return counts


def relative(file_path: str, root: Path) -> str:
    """The path below the root with forward slashes; only the file's name where it lies elsewhere."""
    path = PurePath(file_path)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def function_name(site: CodeLocation) -> str:
    """The function around a line: Python 3.11 runs a comprehension as its own function, 3.12 does not."""
    name = site.function_name
    return _function_at(site.file_path, site.line_number) if name.startswith("<") else name


@functools.lru_cache(maxsize=1024)
def _function_at(file_path: str, line_number: int) -> str:
    try:
        tree = ast.parse("".join(linecache.getlines(file_path)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "<module>"
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.lineno <= line_number <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno).name if around else "<module>"


def changes(recorded: Counts, sent: Counts) -> list[Change]:
    """Shapes whose number differs, whichever function sends them: moving a query adds none."""
    before, now = _by_shape(recorded), _by_shape(sent)
    found = (Change(text, before.get(text, 0), now.get(text, 0)) for text in sorted({*before, *now}))
    return [change for change in found if change.recorded != change.sent]


def _by_shape(counts: Counts) -> dict[str, int]:
    shapes: dict[str, int] = {}
    for source, count in counts.items():
        shapes[source.statement] = shapes.get(source.statement, 0) + count
    return shapes


def larger(one: Counts, other: Counts) -> Counts:
    """The larger count of every statement, for a test that ran more than once."""
    return {source: max(one.get(source, 0), other.get(source, 0)) for source in {**one, **other}}


def dumps(tests: Mapping[str, Counts]) -> str:
    """The file's text: a line for each statement of each test, so that a difference reads as one."""
    entries = ",\n".join(f"{_json(test)}: [{_rows(tests[test])}]" for test in sorted(tests))
    return f'{{\n"{_VERSION_KEY}": {FORMAT_VERSION},\n"tests": {{\n{entries}\n}}\n}}\n'


def _rows(counts: Counts) -> str:
    by_place = sorted(counts.items(), key=lambda item: (item[0].sent_from, item[0].statement))
    rows = (
        _json({"sent_from": source.sent_from, "count": count, "statement": source.statement})
        for source, count in by_place
    )
    text = ",\n  ".join(rows)
    return f"\n  {text}\n" if text else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def read(path: Path) -> dict[str, Counts]:
    """Read a baseline.

    Args:
        path: a file that was recorded.

    Returns:
        By test, how often each statement was sent.

    Raises:
        BaselineError: if the file is damaged, something else, or of a later version.
        OSError: if it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content[_VERSION_KEY]
        if version != FORMAT_VERSION:
            raise BaselineError(f"{path} was recorded by another version of perfkit: record it again.")
        return {_text(test): _counts(rows) for test, rows in content["tests"].items()}
    except BaselineError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise BaselineError(
            f"{path} is damaged or no baseline of perfkit: delete it and record again, or name another file."
        ) from None


def _counts(rows: list[dict[str, Any]]) -> Counts:
    counts: Counts = {}
    for row in rows:
        if type(row["count"]) is not int or row["count"] < 1:
            raise ValueError("count")
        counts[Source(_text(row["statement"]), _text(row["sent_from"]))] = row["count"]
    return counts


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def flat(counts: Counts) -> list[list[str | int]]:
    """The same as plain lists, as pytest-xdist sends them from process to process."""
    return [[source.statement, source.sent_from, count] for source, count in counts.items()]


def unflat(rows: list[list[Any]]) -> Counts:
    """The opposite of `flat`."""
    return {Source(statement, sent_from): count for statement, sent_from, count in rows}


def total(counts: Counts) -> int:
    """How many statements these are."""
    return sum(counts.values())
