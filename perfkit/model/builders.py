"""Traces in one line: for the rules' examples, the tests, and anyone who writes a rule."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from perfkit.model.location import CodeLocation
from perfkit.model.plan import Plan
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace

EXAMPLE_TIME = "2026-01-01T00:00:00+00:00"


def line(
    number: int,
    source_text: str = "",
    *,
    function_name: str = "<module>",
    cell: str | None = "In[1]",
    file_path: str = "cell.py",
) -> CodeLocation:
    """A line of a notebook cell, or of a file when `cell` is `None`."""
    return CodeLocation(file_path, number, function_name, cell, source_text)


def query(
    query_text: str = "SELECT 1", *, duration_ms: float = 1.0, parameters: object = None, **fields: Any
) -> QuerySpan:
    """One statement. Its shape is its text; `parameters` stands for the values, `None` for unknown ones."""
    defaults: dict[str, Any] = {
        "fingerprint": query_text,
        "operation_name": query_text.split(None, 1)[0].upper() if query_text.strip() else "",
        "system_name": "postgresql",
        "parameter_fingerprint": None if parameters is None else f"{parameters!r}",
        "returned_rows": 1,
    }
    return QuerySpan(query_text=query_text, duration_ms=duration_ms, **{**defaults, **fields})


def loop(
    count: int,
    query_text: str = "SELECT * FROM posts WHERE author_id = ?",
    *,
    site: CodeLocation | None = None,
    loop_site: CodeLocation | None = None,
    loop_id: int = 1,
    same_parameters: bool = False,
    **fields: Any,
) -> list[QuerySpan]:
    """The statements of a proved loop: one shape, one line, different parameters unless told otherwise."""
    site = site or line(3, "posts = user.posts")
    loop_site = loop_site or line(2, "for user in users:")
    return [
        query(
            query_text,
            parameters=0 if same_parameters else number,
            call_site=site,
            loop_site=loop_site,
            loop_id=loop_id,
            context_id=1000 * loop_id + number,
            **fields,
        )
        for number in range(count)
    ]


def trace(
    *queries: QuerySpan | Iterable[QuerySpan],
    name: str = "block",
    duration_ms: float | None = None,
    plans: tuple[Plan, ...] | None = None,
    **fields: Any,
) -> Trace:
    """A block that sent these statements one after the other, and did nothing else."""
    spans: list[QuerySpan] = []
    for item in queries:
        spans.extend([item] if isinstance(item, QuerySpan) else item)
    placed, clock_ms = [], 0.0
    for span in spans:
        placed.append(replace(span, start_ms=clock_ms))
        clock_ms += span.duration_ms
    return Trace(
        name=name,
        start_time=EXAMPLE_TIME,
        duration_ms=clock_ms if duration_ms is None else duration_ms,
        queries=tuple(placed),
        transactions=(),
        plans=plans,
        **fields,
    )


def unmeasured(name: str = "block") -> Trace:
    """A block of which nothing but the time was measured."""
    return Trace(name=name, start_time=EXAMPLE_TIME, duration_ms=1.0)
