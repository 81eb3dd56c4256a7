"""A pool that has no connection left.

What it finds
    Requests for a connection that timed out, or that waited while all connections of the pool were out.

Why is this slow
    The wait is added to the time of everything that needs the database, and after 30 seconds SQLAlchemy gives
    up with a TimeoutError. The cause is seldom the size of the pool: connections that are out and idle, or
    never come back, exhaust a pool of any size.

Example
    engine = create_engine(url, pool_size=1, max_overflow=0)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(load, ids))            # five of six wait

Use instead
    engine = create_engine(url, pool_size=6, max_overflow=0)

Thresholds
    min_wait_share: 5 % of the block's time, in which at least one request waited (reference notes on
    detectors, section 3.9).
    max_idle_share: half of the time for which connections were out. If they were idle for longer than that,
    the pool is large enough, and the advice is to give them back.

Stays silent when
    Opening connections took the time. Connections were left. The waits are short. The pool has no limit. A
    connection failed for another reason.
"""

import bisect
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from perfkit.model.builders import line, loan, pool, query, refusal, trace, unmeasured
from perfkit.model.connection import ConnectionUse, PoolActivity, PoolSize
from perfkit.model.connection_times import ConnectionTimes
from perfkit.model.finding import Finding
from perfkit.model.query import covered_ms
from perfkit.model.trace import Trace
from perfkit.rules._groups import idle_ms_of_loan, loan_end_ms, waits_of
from perfkit.rules._rule import Rule, severity_of

_TIMEOUT = "TimeoutError"
# Room above the mean that Little's law gives (reference notes on detectors, section 3.9).
_ROOM = 1.5


def pool_exhausted(
    trace: Trace, *, min_wait_share: float = 0.05, max_idle_share: float = 0.5
) -> Iterator[Finding]:
    """Report pools that ran out of connections.

    Args:
        trace: a block whose loans of connections were measured.
        min_wait_share: share of the block's time in which a request waited, at least, from 0 to 1.
        max_idle_share: idle share of the loans above which a larger pool is no help, from 0 to 1.
    """
    assert trace.pool is not None
    for size in trace.pool.pools:
        uses = [use for use in trace.pool.uses if use.pool_id == size.pool_id]
        waits = _waits_for_others(trace, trace.pool, size, uses)
        timeouts = [use for use in uses if use.acquired_ms is None and use.error_type == _TIMEOUT]
        waited_ms = covered_ms(waits)
        if timeouts or (waits and waited_ms >= min_wait_share * trace.duration_ms):
            yield _finding(trace, size, uses, waits, len(timeouts), max_idle_share)


def _waits_for_others(
    trace: Trace, activity: PoolActivity, size: PoolSize, uses: list[ConnectionUse]
) -> list[tuple[float, float]]:
    """Waits that began while every connection of the pool was out."""
    if size.size is None or size.max_overflow is None:
        return []
    limit = size.size + size.max_overflow
    lent = sorted(use.acquired_ms for use in uses if use.acquired_ms is not None)
    back = sorted(loan_end_ms(use, trace) for use in uses if use.acquired_ms is not None)
    return [
        (start, end)
        for start, end in waits_of(activity, size.pool_id)
        if bisect.bisect_right(lent, start) - bisect.bisect_right(back, start) >= limit
    ]


def _finding(
    trace: Trace,
    size: PoolSize,
    uses: list[ConnectionUse],
    waits: list[tuple[float, float]],
    timeouts: int,
    max_idle_share: float,
) -> Finding:
    waited_ms = covered_ms(waits)
    idle_share = _idle_share(trace, uses)
    place = _holder(trace, uses) if idle_share > max_idle_share else _first_waiter(uses)
    harm = [f"{len(waits)} requests waited {waited_ms:,.0f} ms"] if waits else []
    harm += [f"{timeouts} gave up"] if timeouts else []
    return Finding(
        code="PK504",
        rule="pool-exhausted",
        severity="fix now" if timeouts else severity_of(waited_ms, trace),
        message=f"No connection left in the pool: {' and '.join(harm)}",
        advice=_advice(trace, size, uses, waits, idle_share > max_idle_share),
        refutation=(
            "Every connection of the pool was out when these requests were made, or SQLAlchemy said so. It "
            "would be a false alarm if the pool is small on purpose, to protect the database."
        ),
        confidence=0.8,
        location=place.call_site if place else None,
        loop=place.loop_site if place else None,
        saving_ms=waited_ms or None,
        evidence=(f"connections that were out were idle for {idle_share:.0%} of that time", _limits(size)),
    )


def _limits(size: PoolSize) -> str:
    return f"{size.kind}, pool_size {size.size}, max_overflow {size.max_overflow}"


def _idle_share(trace: Trace, uses: list[ConnectionUse]) -> float:
    """Share of the time for which connections were out and nothing ran on them.

    Where no statement of any loan was seen, a driver of its own sent them: then nothing counts as idle.
    """
    times = ConnectionTimes(trace)
    held, idle = [], []
    for use in uses:
        if use.acquired_ms is not None:
            end_ms = loan_end_ms(use, trace)
            held.append(end_ms - use.acquired_ms)
            idle.append(idle_ms_of_loan(use, times, end_ms))
    if not sum(held) or all(part is None for part in idle):
        return 0.0
    return sum(all_ms if part is None else part for all_ms, part in zip(held, idle, strict=True)) / sum(held)


def _holder(trace: Trace, uses: list[ConnectionUse]) -> ConnectionUse | None:
    """The loan that lasted longest."""
    lent = [use for use in uses if use.acquired_ms is not None]
    return max(lent, key=lambda use: loan_end_ms(use, trace) - (use.acquired_ms or 0.0), default=None)


def _first_waiter(uses: list[ConnectionUse]) -> ConnectionUse | None:
    refused = [use for use in uses if use.acquired_ms is None]
    return max(refused or uses, key=lambda use: use.wait_ms or 0.0, default=None)


def _advice(
    trace: Trace,
    size: PoolSize,
    uses: list[ConnectionUse],
    waits: list[tuple[float, float]],
    is_idle: bool,
) -> str:
    holder = _holder(trace, uses)
    at = f" at {holder.call_site.label}" if holder and holder.call_site else ""
    if holder is not None and holder.released_ms is None:
        return (
            f"Give connections back: the one taken{at} never was. A with block does it whatever happens.\n"
            "with engine.connect() as connection:"
        )
    if is_idle:
        return (
            "Leave the pool as it is and hold connections for a shorter time: those that were out mostly did "
            f"nothing. Begin{at}: close the session before slow work, and open one for the result.\n"
            "with Session(engine) as session:"
        )
    wanted = _wanted(trace, size, uses, waits)
    return (
        "Let fewer threads or tasks ask at once, make the statements faster, or give the pool as many "
        "connections as are in use on average and half as many again (Little's law), if the database's "
        "max_connections allows it for all processes together.\n"
        f"create_engine(url, pool_size={wanted}, max_overflow=0)"
    )


def _wanted(trace: Trace, size: PoolSize, uses: list[ConnectionUse], waits: list[tuple[float, float]]) -> int:
    """Connections wanted on average, those waited for included, and half as many again."""
    held_ms = sum(loan_end_ms(use, trace) - use.acquired_ms for use in uses if use.acquired_ms is not None)
    waited_ms = sum(end - start for start, end in waits)
    mean = (held_ms + waited_ms) / trace.duration_ms if trace.duration_ms > 0 else 0.0
    return max(math.ceil(_ROOM * mean), (size.size or 0) + (size.max_overflow or 0) + 1)


def _queue(count: int, *, busy: bool = True, apart_ms: float = 50.0, **limits: Any) -> Trace:
    """Threads that wait for the one connection of a pool, each of which has it for 50 ms."""
    uses = [
        loan(apart_ms * n, apart_ms * n + 49, wait_ms=apart_ms * n, thread_id=n, call_site=line(5))
        for n in range(count)
    ]
    spans = [
        query(duration_ms=48.0 if busy else 2.0, connection_id=1, thread_id=n, parameters=n)
        for n in range(count)
    ]
    name = "threads that wait for one connection" if busy else "one connection, out and idle"
    block = trace(name=name, duration_ms=apart_ms * count, pool=pool(*uses, **(limits or _ONE)))
    placed = tuple(replace(span, start_ms=apart_ms * n + 0.5) for n, span in enumerate(spans))
    return replace(block, queries=placed)


_ONE: dict[str, Any] = {"size": 1, "max_overflow": 0}

RULE = Rule(
    code="PK504",
    name="pool-exhausted",
    requires="pool",
    check=pool_exhausted,
    fires_on=(
        _queue(6),
        _queue(6, busy=False),
        trace(
            name="a request that timed out",
            duration_ms=2000.0,
            pool=pool(loan(0.0, None), refusal(10.0), size=1, max_overflow=0),
        ),
    ),
    silent_on=(
        replace(_queue(6, size=5, max_overflow=10), name="connections are left: the wait has another reason"),
        replace(_queue(6, size=None, max_overflow=None), name="a pool without a limit"),
        trace(
            name="opening connections takes the time",
            duration_ms=100.0,
            pool=pool(
                loan(20.0, 40.0, wait_ms=20.0, connect_ms=20.0),
                loan(40.0, 90.0, wait_ms=20.0, connect_ms=20.0),
                size=1,
                max_overflow=0,
            ),
        ),
        trace(
            name="a short wait in a long block",
            duration_ms=5000.0,
            pool=pool(loan(0.0, 30.0), loan(30.0, 60.0, wait_ms=20.0), size=1, max_overflow=0),
        ),
        trace(
            name="the server refused a connection",
            duration_ms=100.0,
            pool=pool(refusal(10.0, "OperationalError"), size=1, max_overflow=0),
        ),
        trace(
            name="one loan after the other", duration_ms=100.0, pool=pool(loan(0.0, 40.0), loan(50.0, 90.0))
        ),
        unmeasured(),
    ),
)
