"""A single statement that takes most of the time.

What it finds
    One execution of one statement that took at least half a second, or a tenth of a second and half of the
    block.

Why is this slow
    That is for the plan to say: a missing index, a sort on disk, rows that nobody needs.

Example
    session.scalars(select(Order).where(Order.status == "refunded")).all()      # reads a million rows

Use instead
    CREATE INDEX ON orders (status)       -- if the plan says so: run %%explain on the statement

Thresholds
    slow_ms: 500 ms (Sentry's limit for a slow query).
    dominant_ms: 100 ms, together with
    dominant_share: half of the block, for blocks that are short as a whole. Of a block during which the
    machine was short of processors (its stall, as Linux tells it), only the rest of such a time counts: a
    busy machine stretches a few milliseconds to a hundred.

Stays silent when
    Many quick statements add up: that is another finding. It waits on purpose, as pg_sleep does.
"""

from collections.abc import Iterator

from perfkit.model.builders import query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import kept_part
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._groups import by_shape_and_line, indexes_of, spans_of
from perfkit.rules._rule import Rule, severity_of


def slow_query(
    trace: Trace, *, slow_ms: float = 500.0, dominant_ms: float = 100.0, dominant_share: float = 0.5
) -> Iterator[Finding]:
    """Report statements of which a single execution is slow.

    Args:
        trace: a block whose queries were measured.
        slow_ms: time of one execution that is slow in any block, in milliseconds.
        dominant_ms: time of one execution that is slow when it dominates the block, in milliseconds.
        dominant_share: what it takes to dominate: the share of the block's time, from 0 to 1.
    """
    unstalled = 1.0 - _stalled_share(trace)

    def is_slow(span: QuerySpan) -> bool:
        is_dominant = span.duration_ms >= dominant_share * trace.duration_ms
        own_ms = span.duration_ms * unstalled
        is_long = span.duration_ms >= slow_ms or (is_dominant and own_ms >= dominant_ms)
        return is_long and not _waits(span)

    for members in by_shape_and_line(trace, is_slow):
        yield _finding(trace, members)


def _stalled_share(trace: Trace) -> float:
    """Share of the block during which work of this machine waited for a processor."""
    if trace.stalled_ms is None or trace.duration_ms <= 0:
        return 0.0
    return min(1.0, trace.stalled_ms / trace.duration_ms)


def _waits(span: QuerySpan) -> bool:
    return "pg_sleep" in span.query_text.lower()


def _finding(trace: Trace, members: list[Member]) -> Finding:
    spans = spans_of(members)
    slowest = max(spans, key=lambda span: span.duration_ms)
    total_ms = sum(span.duration_ms for span in spans)
    times = "" if len(spans) == 1 else f", {len(spans):,} times{kept_part(trace)}"
    return Finding(
        code="PK110",
        rule="slow-query",
        severity=severity_of(total_ms, trace),
        message=f"One statement takes {slowest.duration_ms:,.0f} ms{times}",
        advice="Look at its plan: put %%explain on the cell, or call perfkit.explain with the statement.",
        refutation=(
            "The time was measured around the driver's call. It would be a false alarm if the database was "
            "busy with something else, or waited for a lock: measure again."
        ),
        confidence=0.5,
        location=slowest.call_site,
        offenders=indexes_of(members),
        saving_ms=None,
    )


RULE = Rule(
    code="PK110",
    name="slow-query",
    requires="queries",
    check=slow_query,
    fires_on=(
        trace(query(duration_ms=800.0), query(duration_ms=900.0), name="half a second and more"),
        trace(query("SELECT 2", duration_ms=150.0), query(), name="most of a short block"),
        trace(query(duration_ms=300.0), stalled_ms=150.0, name="on a machine that is half busy"),
        trace(query(duration_ms=800.0), stalled_ms=800.0, name="slow on any machine"),
    ),
    silent_on=(
        trace([query(f"SELECT {n}", duration_ms=60.0) for n in range(20)], name="many that add up"),
        trace(query("SELECT pg_sleep(?)", duration_ms=800.0), name="waiting on purpose"),
        trace(query(duration_ms=40.0), name="quick, though it is all there is"),
        trace(query(duration_ms=150.0), stalled_ms=140.0, name="stretched by a busy machine"),
        unmeasured(),
    ),
)
