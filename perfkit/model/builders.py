"""Traces in one line: for the rules' examples, the tests, and anyone who writes a rule."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from perfkit.model.connection import ConnectionUse, PoolActivity, PoolSize, TransactionEvent
from perfkit.model.location import CodeLocation
from perfkit.model.memory import MemoryProfile
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
            **fields,
        )
        for number in range(count)
    ]


def alternating(*loops: list[QuerySpan]) -> list[QuerySpan]:
    """The statements of several loops as one loop sends them: one of each, row by row."""
    rows = itertools.zip_longest(*loops)
    return [span for row in rows for span in row if span is not None]


def commits(count: int, *, site: CodeLocation | None = None, **fields: Any) -> tuple[TransactionEvent, ...]:
    """Commits of a proved loop, 10 ms apart, each with its begin just before it."""
    place: dict[str, Any] = {
        "call_site": site or line(4, "session.commit()"),
        "loop_site": line(2),
        "loop_id": 9,
    }
    events = []
    for number in range(count):
        events.append(TransactionEvent("begin", 10.0 * number, 1, **{**place, **fields}))
        events.append(TransactionEvent("commit", 10.0 * number + 9, 1, **{**place, **fields}))
    return tuple(events)


def loan(
    acquired_ms: float = 0.0, released_ms: float | None = 10.0, *, wait_ms: float = 0.0, **fields: Any
) -> ConnectionUse:
    """One loan of a connection; `wait_ms` before it was given."""
    defaults: dict[str, Any] = {"connection_id": 1, "pool_id": 1, "call_site": line(3, "engine.connect()")}
    return ConnectionUse(
        requested_ms=acquired_ms - wait_ms,
        acquired_ms=acquired_ms,
        released_ms=released_ms,
        **{**defaults, **fields},
    )


def refusal(requested_ms: float = 0.0, error_type: str = "TimeoutError", **fields: Any) -> ConnectionUse:
    """A request for a connection that came to nothing."""
    defaults: dict[str, Any] = {"connection_id": 0, "pool_id": 1, "call_site": line(3, "engine.connect()")}
    return ConnectionUse(
        requested_ms=requested_ms,
        acquired_ms=None,
        released_ms=None,
        error_type=error_type,
        **{**defaults, **fields},
    )


def pool(
    *uses: ConnectionUse, size: int | None = 5, max_overflow: int | None = 10, kind: str = "QueuePool"
) -> PoolActivity:
    """The loans of one block from one pool."""
    return PoolActivity(uses, (PoolSize(1, kind, size, max_overflow),))


def memory_profile(peak_bytes: int = 0, kept_bytes: int = 0, **fields: Any) -> MemoryProfile:
    """The memory of a block that began at 100 MB; sizes in bytes above that."""
    base = 100_000_000
    return MemoryProfile(base, base + peak_bytes, base + kept_bytes, "kernel", **fields)


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
        plans=plans,
        **{"transactions": (), **fields},
    )


def unmeasured(name: str = "block") -> Trace:
    """A block of which nothing but the time was measured."""
    return Trace(name=name, start_time=EXAMPLE_TIME, duration_ms=1.0)
