"""A transaction that stands open while the program does something else.

What it finds
    A transaction most of whose time passes between its statements: a call to another service, a file, a
    long computation, a person.

Why is this slow
    What the transaction wrote stays locked until it ends, so others wait for the other service too. An open
    transaction also keeps its connection, blocks changes to the tables that it read, and under REPEATABLE
    READ keeps PostgreSQL from removing dead rows.

Example
    order = session.get(Order, order_id, with_for_update=True)
    receipt = requests.post(PAYMENT_URL, json=...)          # the row stays locked meanwhile
    order.receipt = receipt.text
    session.commit()

Use instead
    receipt = requests.post(PAYMENT_URL, json=...)
    with session.begin():
        session.get(Order, order_id, with_for_update=True).receipt = receipt.text

Thresholds
    min_pause_ms: 100 ms without a statement is a pause; less is ordinary Python between statements.
    min_idle_ms: 500 ms of pauses in one transaction: whoever needs the same row waits as long as for a slow
    query (Sentry's limit for one), and
    min_share: half of the transaction.

Stays silent when
    Statements follow each other. The pause comes after the commit, or before the first statement. Rows of the
    last statement may still be on their way, or become objects, or the connection is held on purpose: LISTEN,
    an advisory lock.
    SQLite only read. Without writes and locks it is "info": the transaction disturbs no one but a migration.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import EXAMPLE_TIME, line, query, unmeasured
from perfkit.model.connection import TransactionEvent
from perfkit.model.finding import Finding
from perfkit.model.trace import Trace
from perfkit.rules._groups import (
    MIN_IDLE_MS,
    MIN_IDLE_SHARE,
    MIN_PAUSE_MS,
    Pause,
    Transaction,
    idle_transactions,
)
from perfkit.rules._rule import Rule

Idle = tuple[Transaction, list[Pause]]

_SHORT_OF_SQLALCHEMY = "with session.begin():\n    session.add(result)"
_SHORT = {
    "django": "with transaction.atomic():\n    result.save()",
    "psycopg": "with connection.transaction():\n    connection.execute(sql, result)",
    "sqlite3": "with connection:\n    connection.execute(sql, result)",
    "asyncpg": "async with connection.transaction():\n    await connection.execute(sql, *result)",
}


def idle_in_transaction(
    trace: Trace,
    *,
    min_pause_ms: float = MIN_PAUSE_MS,
    min_idle_ms: float = MIN_IDLE_MS,
    min_share: float = MIN_IDLE_SHARE,
) -> Iterator[Finding]:
    """Report transactions that mostly wait for the program.

    Args:
        trace: a block whose transactions were measured.
        min_pause_ms: time without a statement that counts as a pause, at least, in milliseconds.
        min_idle_ms: pauses of one transaction together, at least, in milliseconds.
        min_share: share of the transaction that the pauses take, at least, from 0 to 1.
    """
    lines: dict[object, list[Idle]] = {}
    found = idle_transactions(trace, min_pause_ms=min_pause_ms, min_idle_ms=min_idle_ms, min_share=min_share)
    for transaction, pauses in found:
        # A transaction of SQLite that only read so far disturbs nobody.
        if transaction.members[0][1].system_name != "sqlite" or _holds_locks(transaction, pauses):
            lines.setdefault(_longest(pauses).before.call_site, []).append((transaction, pauses))
    for idle in lines.values():
        yield _finding(idle)


def _longest(pauses: list[Pause]) -> Pause:
    return max(pauses, key=lambda pause: pause.duration_ms)


def _holds_locks(transaction: Transaction, pauses: list[Pause]) -> bool:
    return any(transaction.holds_locks_at(pause.start_ms) for pause in pauses)


def _finding(idle: list[Idle]) -> Finding:
    idle_ms = sum(pause.duration_ms for _, pauses in idle for pause in pauses)
    whole_ms = sum(transaction.end_ms - transaction.start_ms for transaction, _ in idle)
    longest = _longest([pause for _, pauses in idle for pause in pauses])
    locks = any(_holds_locks(*pair) for pair in idle)
    which = "A transaction stood" if len(idle) == 1 else f"{len(idle)} transactions stood"
    held = "holding locks" if locks else "without locks"
    return Finding(
        code="PK505",
        rule="idle-in-transaction",
        severity="worth it" if locks else "info",
        message=f"{which} open for {whole_ms:,.0f} ms and nothing ran for {idle_ms:,.0f} ms of it, {held}",
        advice=(
            f"End the transaction before the slow work{_between(longest)}: commit first, or do the slow work "
            "first and write its result in a short transaction.\n"
            f"result = slow_work()\n{_SHORT.get(longest.before.driver, _SHORT_OF_SQLALCHEMY)}"
        ),
        refutation=(
            "No statement ran on this connection meanwhile. It would be a false alarm if a driver that "
            "perfkit does not see used it, or if the locks must be held during the work on purpose."
        ),
        confidence=0.8,
        location=longest.before.call_site,
        offenders=tuple(index for transaction, _ in idle for index, _ in transaction.members),
        saving_ms=None,
        evidence=(f"longest pause {longest.duration_ms:,.0f} ms{_between(longest)}",),
    )


def _between(pause: Pause) -> str:
    before = pause.before.call_site
    after = pause.after.call_site if pause.after else None
    if before is None:
        return ""
    return f", between {before.label} and {after.label}" if after else f", after {before.label}"


_UPDATE = "UPDATE orders SET receipt = ? WHERE id = ?"
_LOCK = "SELECT * FROM orders WHERE id = ? FOR UPDATE"
_SELECT = "SELECT * FROM orders WHERE id = ?"


def _block(name: str, *texts: str, pause_ms: float = 900.0, begin_ms: float = 0.0, **fields: Any) -> Trace:
    """One transaction whose statements, of 10 ms each, are this far apart; it ends with the last one."""
    starts = [number * (10.0 + pause_ms) for number in range(len(texts))]
    spans = tuple(
        query(text, duration_ms=10.0, start_ms=start, connection_id=1, call_site=line(number + 3), **fields)
        for number, (text, start) in enumerate(zip(texts, starts, strict=True))
    )
    end_ms = starts[-1] + 11
    events = (TransactionEvent("begin", begin_ms, 1), TransactionEvent("commit", end_ms, 1))
    return Trace(name, EXAMPLE_TIME, end_ms, queries=spans, transactions=events)


def _idle_afterwards() -> Trace:
    events = (TransactionEvent("begin", 0.0, 1), TransactionEvent("commit", 12.0, 1))
    spans = (query(_UPDATE, connection_id=1), query(_UPDATE, connection_id=1, start_ms=900.0))
    return Trace("a pause after the commit", EXAMPLE_TIME, 1000.0, queries=spans, transactions=events)


def _late_start() -> Trace:
    events = (TransactionEvent("begin", 0.0, 1), TransactionEvent("commit", 912.0, 1))
    spans = (query(_UPDATE, connection_id=1, start_ms=900.0, duration_ms=10.0),)
    return Trace("nothing sent before the pause", EXAMPLE_TIME, 920.0, queries=spans, transactions=events)


def _never_ended() -> Trace:
    spans = (query(_UPDATE, connection_id=1, duration_ms=10.0),)
    return Trace(
        "never ended", EXAMPLE_TIME, 2000.0, queries=spans, transactions=(TransactionEvent("begin", 0.0, 1),)
    )


RULE = Rule(
    code="PK505",
    name="idle-in-transaction",
    requires="transactions",
    check=idle_in_transaction,
    fires_on=(
        _block("a row stays locked during a call to a service", _LOCK, _UPDATE),
        _block("a short call for each of many rows", *[_UPDATE] * 9, pause_ms=150.0),
        _block("a read, a long computation, a write", _SELECT, _UPDATE),
        _never_ended(),
    ),
    silent_on=(
        _block("statements that follow each other", *[_UPDATE] * 90, pause_ms=5.0),
        _block("a long transaction at work", *[_UPDATE] * 90, pause_ms=40.0),
        _block("a short pause", _LOCK, _UPDATE, pause_ms=300.0),
        _idle_afterwards(),
        _late_start(),
        _block("rows that become objects", _SELECT, _UPDATE, returned_rows=20_000),
        _block("rows that stream", _SELECT, _UPDATE, returned_rows=None),
        _block("waiting for notifications", "LISTEN orders", "UNLISTEN orders"),
        _block("an advisory lock", "SELECT pg_advisory_lock(?)", "SELECT pg_advisory_unlock(?)"),
        _block("SQLite that only read until then", _SELECT, _UPDATE, system_name="sqlite"),
        unmeasured(),
    ),
)
