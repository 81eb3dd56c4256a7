"""A connection that is out of the pool while nothing runs on it.

What it finds
    Loans of a connection during most of which the program did something else: it called a service, computed,
    slept.

Why is this slow
    A pool has few connections. One that is out and idle is missed by those who wait, and a larger pool only
    moves the wait into the database.

Example
    with Session(engine) as session:
        user = session.get(User, user_id)
        report = requests.get(REPORT_URL)           # the connection waits too
        user.report = report.text
        session.commit()

Use instead
    report = requests.get(REPORT_URL)
    with Session(engine) as session, session.begin():
        session.get(User, user_id).report = report.text

Thresholds
    min_idle_ms: 200 ms of one loan without a statement, and
    min_idle_share: half of the loan (reference notes on detectors, section 3.9).
    min_locked_share: where 80 % of that time passed in a transaction that held locks and nobody waited for a
    connection, the locks are what matters: idle-in-transaction says so.

Stays silent when
    The connection worked. Loans are short. Rows of the last statement may still be on their way, as with
    yield_per, or the connection is held on purpose: LISTEN, an advisory lock, COPY. No statement of the loan
    was seen. The program turns rows into objects. It is a file of SQLite that nobody else uses. While nobody
    waited for a connection it is "info".
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import loan, pool, query, trace, unmeasured
from perfkit.model.connection import ConnectionUse, PoolActivity, TransactionEvent
from perfkit.model.connection_times import ConnectionTimes
from perfkit.model.finding import Finding
from perfkit.model.location import CodeLocation
from perfkit.model.query import covered_ms
from perfkit.model.trace import Trace
from perfkit.rules._groups import (
    Pause,
    Transaction,
    idle_ms_of_loan,
    idle_transactions,
    loan_end_ms,
    waits_of,
)
from perfkit.rules._rule import Rule, severity_of

Idle = tuple[ConnectionUse, float]

# What ends a loan, and a loan before the slow work and one after it.
_BY_SQLALCHEMY = (
    "close the session, or end the with block,",
    "with Session(engine) as session:\n"
    "    data = load(session)\n"
    "result = slow_work(data)\n"
    "with Session(engine) as session, session.begin():\n"
    "    session.add(result)",
)
_BY_DRIVER = {
    "psycopg": (
        "end the with block",
        "with pool.connection() as connection:\n"
        "    data = load(connection)\n"
        "result = slow_work(data)\n"
        "with pool.connection() as connection:\n"
        "    connection.execute(sql, result)",
    ),
    "asyncpg": (
        "end the async with block",
        "async with pool.acquire() as connection:\n"
        "    data = await load(connection)\n"
        "result = await slow_work(data)\n"
        "async with pool.acquire() as connection:\n"
        "    await connection.execute(sql, *result)",
    ),
}


def connection_held_idle(
    trace: Trace,
    *,
    min_idle_ms: float = 200.0,
    min_idle_share: float = 0.5,
    min_locked_share: float = 0.8,
) -> Iterator[Finding]:
    """Report lines whose loans of a connection are mostly idle.

    Args:
        trace: a block whose loans of connections were measured.
        min_idle_ms: time of one loan without a statement, at least, in milliseconds.
        min_idle_share: share of the loan that this takes, at least, from 0 to 1.
        min_locked_share: share of the idle time in transactions with locks that leaves the finding to
            idle-in-transaction, from 0 to 1.
    """
    assert trace.pool is not None
    times = ConnectionTimes(trace)
    lines: dict[CodeLocation | None, list[Idle]] = {}
    for use in trace.pool.uses:
        end_ms = loan_end_ms(use, trace)
        is_own = use.acquired_ms is not None and not use.is_background
        idle_ms = idle_ms_of_loan(use, times, end_ms) if is_own else None
        held_ms = end_ms - (use.acquired_ms or 0.0)
        if idle_ms is None or idle_ms < max(min_idle_ms, min_idle_share * held_ms):
            continue
        if not _is_file(trace, use) or _has_company(trace, trace.pool, use):
            lines.setdefault(use.call_site, []).append((use, idle_ms))
    waits = {size.pool_id: waits_of(trace.pool, size.pool_id) for size in trace.pool.pools}
    locked = [pair for pair in idle_transactions(trace) if pair[0].holds_locks_at(pair[1][-1].start_ms)]
    for idle in lines.values():
        waited_ms = _waited_ms(trace, waits, idle)
        if waited_ms or _locked_ms(trace, locked, idle) < min_locked_share * sum(ms for _, ms in idle):
            yield _finding(trace, times, idle, waited_ms)


def _has_company(trace: Trace, activity: PoolActivity, use: ConnectionUse) -> bool:
    """Whether somebody else had, or wanted, a connection of the pool while this one was out."""
    start_ms, end_ms = use.acquired_ms or 0.0, loan_end_ms(use, trace)
    return any(
        other is not use
        and other.pool_id == use.pool_id
        and other.requested_ms < end_ms
        and loan_end_ms(other, trace) > start_ms
        for other in activity.uses
    )


def _is_file(trace: Trace, use: ConnectionUse) -> bool:
    """Whether the connection is to SQLite."""
    found = (span.system_name for span in trace.queries or () if span.connection_id == use.connection_id)
    return next(found, "") == "sqlite"


def _waited_ms(trace: Trace, waits: dict[int, list[tuple[float, float]]], idle: list[Idle]) -> float:
    """How long others waited for a connection while these were out."""
    found = []
    for use, _ in idle:
        start_ms, end_ms = use.acquired_ms or 0.0, loan_end_ms(use, trace)
        for start, end in waits.get(use.pool_id, ()):
            if start < end_ms and end > start_ms:
                found.append((max(start, start_ms), min(end, end_ms)))
    return covered_ms(found)


def _locked_ms(trace: Trace, locked: list[tuple[Transaction, list[Pause]]], idle: list[Idle]) -> float:
    """How much of the loans passed in pauses of transactions that held locks."""
    total = 0.0
    for transaction, pauses in locked:
        connection_id = transaction.members[0][1].connection_id
        for use, _ in idle:
            is_inside = (use.acquired_ms or 0.0) <= transaction.start_ms < loan_end_ms(use, trace)
            if use.connection_id == connection_id and is_inside:
                total += sum(pause.duration_ms for pause in pauses)
    return total


def _finding(trace: Trace, times: ConnectionTimes, idle: list[Idle], waited_ms: float) -> Finding:
    idle_ms = sum(ms for _, ms in idle)
    held_ms = sum(loan_end_ms(use, trace) - (use.acquired_ms or 0.0) for use, _ in idle)
    which = "A connection was" if len(idle) == 1 else f"{len(idle)} connections were"
    never = sum(use.released_ms is None for use, _ in idle)
    others = f"others waited {waited_ms:,.0f} ms for one" if waited_ms else "nobody waited for one"
    statements = _statements(trace, times, idle)
    drivers = [trace.queries[index].driver for index in statements if trace.queries]
    close, code = _BY_DRIVER.get(drivers[0] if drivers else "", _BY_SQLALCHEMY)
    return Finding(
        code="PK503",
        rule="connection-held-idle",
        severity=severity_of(waited_ms, trace) if waited_ms else "info",
        message=f"{which} out for {held_ms:,.0f} ms and idle for {idle_ms:,.0f} ms of it; {others}",
        advice=(
            f"Give the connection back before the slow work and take one again for the result: {close} first."
            f"\n{code}"
        ),
        refutation=(
            "No statement ran on these connections meanwhile. It would be a false alarm if a driver that "
            "perfkit does not see used them, or if rows were still being read."
        ),
        confidence=0.8,
        location=idle[0][0].call_site,
        loop=idle[0][0].loop_site,
        offenders=statements,
        saving_ms=waited_ms or None,
        evidence=(f"{never} never given back",) if never else (),
    )


def _statements(trace: Trace, times: ConnectionTimes, idle: list[Idle]) -> tuple[int, ...]:
    found: set[int] = set()
    for use, _ in idle:
        members = times.between(use.connection_id, use.acquired_ms or 0.0, loan_end_ms(use, trace))
        found.update(index for index, _ in members)
    return tuple(sorted(found))


_SELECT = "SELECT * FROM users WHERE id = ?"
_UPDATE = "UPDATE users SET report = ? WHERE id = ?"


def _held(
    name: str, *texts: str, uses: tuple[ConnectionUse, ...] = (), out_ms: float = 1200.0, **fields: Any
) -> Trace:
    """A connection that is out for a while, with statements of 10 ms one after the other."""
    spans = [query(text, duration_ms=10.0, connection_id=1, **fields) for text in texts]
    return trace(spans, name=name, duration_ms=1300.0, pool=pool(loan(0.0, out_ms), *uses))


def _in_transaction() -> Trace:
    events = (TransactionEvent("begin", 0.0, 1), TransactionEvent("commit", 1000.0, 1))
    spans = query(_UPDATE, duration_ms=10.0, connection_id=1)
    return trace(
        spans,
        name="locks held, which idle-in-transaction says",
        duration_ms=1100.0,
        pool=pool(loan(0.0, 1000.0)),
        transactions=events,
    )


_WAITING = loan(900.0, 950.0, wait_ms=800.0, connection_id=2, thread_id=2)
_BESIDE = loan(100.0, 130.0, connection_id=2, thread_id=2)

RULE = Rule(
    code="PK503",
    name="connection-held-idle",
    requires="pool",
    check=connection_held_idle,
    fires_on=(
        _held("out for more than a second, at work for a moment", _SELECT),
        _held("while another waits", _SELECT, _SELECT, out_ms=800.0, uses=(_WAITING,)),
        _held("while another has one too", _SELECT, out_ms=300.0, uses=(_BESIDE,)),
        trace(
            query(_SELECT, connection_id=1),
            name="never given back",
            duration_ms=1900.0,
            pool=pool(loan(0.0, None)),
        ),
    ),
    silent_on=(
        _held("at work all the time", *[_SELECT] * 115),
        _held("at work for half of the time", *[_SELECT] * 70, uses=(_BESIDE,)),
        _held("a moment of computing", _SELECT, out_ms=200.0),
        _held("rows that become objects", _SELECT, returned_rows=20_000),
        _held("a file of SQLite", _SELECT, system_name="sqlite"),
        _held("rows that stream", _SELECT, returned_rows=None),
        _held("waiting for notifications", "LISTEN reports"),
        _held("an advisory lock", "SELECT pg_advisory_lock(?)"),
        _held("rows copied in", "COPY users FROM STDIN"),
        _held("no statement was seen"),
        _in_transaction(),
        trace(
            query(_SELECT, connection_id=1),
            name="a short loan",
            duration_ms=150.0,
            pool=pool(loan(0.0, 150.0)),
        ),
        unmeasured(),
    ),
)
