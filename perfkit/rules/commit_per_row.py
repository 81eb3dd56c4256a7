"""A transaction for each row of a loop.

What it finds
    A loop that commits after every row or two.

Why is this slow
    A commit is a promise that the data survives a power cut: the database waits for the disk, and the
    program for the database, with two round trips (BEGIN and COMMIT) around each row. One transaction for
    many rows pays that once.

Example
    for row in rows:
        session.add(Event(**row))
        session.commit()

Use instead
    for row in rows:
        session.add(Event(**row))
    session.commit()                 # once; for very many rows after every 1,000

Thresholds
    min_commits: 10 commits of one loop, each after
    max_writes: 2 writes or fewer (reference notes on detectors, section 3.10).
    arrival_gap_ms: rows that come 100 ms apart or more are not waiting in a list: the program works for, or
    waits for, each of them, and the commits are not what takes the time.

Stays silent when
    Each commit ends a chunk: many writes, many rows in one statement, a LIMIT, a list of keys, a COPY.
    Nothing was written. The lines differ. The rows come one by one, as messages do. The transaction locks the
    row it works on, as a job queue does: there it has to be one transaction a job. It is rolled back.
"""

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from perfkit.model.builders import EXAMPLE_TIME, commits, line, query, unmeasured
from perfkit.model.connection import TransactionEvent
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import kept_part
from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._groups import Transaction, transactions_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import is_bulk_write, is_write, takes_lock


def commit_per_row(
    trace: Trace, *, min_commits: int = 10, max_writes: int = 2, arrival_gap_ms: float = 100.0
) -> Iterator[Finding]:
    """Report loops that commit row by row.

    Args:
        trace: a block whose transactions were measured.
        min_commits: commits of one loop, at least.
        max_writes: writes before each commit, at most.
        arrival_gap_ms: time between a commit and the next statement that means rows come one by one.
    """
    for rows in _by_loop(trace, max_writes).values():
        if len(rows) >= min_commits and _median_gap_ms(rows) < arrival_gap_ms:
            yield _finding(trace, rows)


def _by_loop(
    trace: Trace, max_writes: int
) -> dict[tuple[CodeLocation | None, CodeLocation | None], list[Transaction]]:
    """Transactions of a row or two, by the line that commits and the loop around it."""
    loops: dict[tuple[CodeLocation | None, CodeLocation | None], list[Transaction]] = {}
    for transaction in transactions_of(trace):
        end = transaction.end
        if end is not None and end.loop_id is not None and _writes_a_row(transaction, max_writes):
            loops.setdefault((end.call_site, end.loop_site), []).append(transaction)
    return loops


def _writes_a_row(transaction: Transaction, max_writes: int) -> bool:
    if transaction.end is None or transaction.end.kind != "commit":
        return False
    spans = [span for _, span in transaction.members]
    if any(takes_lock(span) or span.operation_name == "COPY" for span in spans):
        return False
    writes = [span for span in spans if is_write(span)]
    return 1 <= len(writes) <= max_writes and not any(is_bulk_write(span) for span in writes)


def _median_gap_ms(rows: list[Transaction]) -> float:
    ordered = sorted(rows, key=lambda row: row.start_ms)
    gaps = [after.start_ms - before.end_ms for before, after in itertools.pairwise(ordered)]
    return statistics.median(gaps)


def _finding(trace: Trace, rows: list[Transaction]) -> Finding:
    count = len(rows)
    writes = sum(sum(is_write(span) for _, span in row.members) for row in rows)
    last = rows[-1].end
    assert last is not None
    saved = 2 * (count - 1)
    took_ms = [row.end.duration_ms for row in rows if row.end and row.end.duration_ms is not None]
    saving_ms = sum(took_ms) * (count - 1) / count if took_ms else None
    numbers = f"{count:,} commits for {writes:,} writes"
    return Finding(
        code="PK501",
        rule="commit-per-row",
        severity=severity_of(saving_ms or 0.0, trace, round_trips=saved),
        message=f"{numbers}: the loop ends a transaction for each row{kept_part(trace)}",
        advice=_advice(next(span for _, span in rows[0].members if is_write(span))),
        refutation=(
            "One line of one loop sent these commits, each after one or two writes. It would be a false "
            "alarm if a row must be safe before the next one is begun, as when each has an effect outside "
            "the database."
        ),
        confidence=0.8,
        location=last.call_site,
        loop=last.loop_site,
        saving_ms=saving_ms,
        round_trips=saved,
        evidence=(f"{numbers}, {writes / count:.1f} writes a commit",),
    )


def _advice(write: QuerySpan) -> str:
    words = "Commit once after the loop, or after every 1,000 rows if there are very many."
    code = {
        "django": "with transaction.atomic():        # around the loop\n    for row in rows:\n        ...",
        "psycopg": "for row in rows:\n    cursor.execute(sql, row)\nconnection.commit()",
        "sqlite3": "for row in rows:\n    connection.execute(sql, row)\nconnection.commit()",
        "asyncpg": (
            "async with connection.transaction():\n"
            "    for row in rows:\n"
            "        await connection.execute(sql, *row)"
        ),
    }
    sqlalchemy = (
        "with Session(engine) as session, session.begin():\n"
        "    for row in rows:\n"
        "        session.add(Model(**row))"
    )
    return f"{words}\n{code.get(write.driver, sqlalchemy)}"


_INSERT = "INSERT INTO events (kind) VALUES (?)"


def _block(
    name: str, events: tuple[TransactionEvent, ...], *texts: str, gap_ms: float = 10.0, **fields: Any
) -> Trace:
    """Transactions one after the other, each with these statements after its begin."""
    spans = [
        query(text, parameters=n, start_ms=gap_ms * n + 1 + k / 100, connection_id=1, **fields)
        for n in range(len(events) // 2)
        for k, text in enumerate(texts or (_INSERT,))
    ]
    return Trace(name, EXAMPLE_TIME, gap_ms * len(events) / 2, queries=tuple(spans), transactions=events)


def _half_a_second_apart() -> tuple[TransactionEvent, ...]:
    return tuple(replace(e, time_ms=e.time_ms // 10 * 500 + e.time_ms % 10) for e in commits(20))


def _rolled_back() -> tuple[TransactionEvent, ...]:
    return tuple(replace(e, kind="rollback" if e.kind == "commit" else e.kind) for e in commits(20))


def _on_lines() -> tuple[TransactionEvent, ...]:
    return tuple(
        replace(event, call_site=line(number), loop_site=None, loop_id=None)
        for number, event in enumerate(commits(20))
    )


RULE = Rule(
    code="PK501",
    name="commit-per-row",
    requires="transactions",
    check=commit_per_row,
    fires_on=(
        _block("a commit for each row", commits(50)),
        _block("a commit for every two rows", commits(20), _INSERT, _INSERT),
        _block("a transaction of Django's for each row", commits(20), driver="django", entity="Event"),
        _block("read, update, commit", commits(20), "SELECT * FROM t WHERE id = ?", "UPDATE t SET seen = ?"),
    ),
    silent_on=(
        _block("a commit after every hundred rows", commits(20), *[_INSERT] * 100),
        _block("batches of a thousand", commits(20), batch_size=1000),
        _block("chunks of a table", commits(20), "DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT ?)"),
        _block("lists of keys", commits(20), "UPDATE t SET done = ? WHERE id IN (…)"),
        _block("many rows by one statement", commits(20), "INSERT INTO t SELECT * FROM s WHERE day = ?"),
        _block("many rows by COPY", commits(20), "COPY t FROM STDIN", _INSERT),
        _block("nine rows", commits(9)),
        _block("nothing written", commits(20), "SELECT * FROM t WHERE id = ?"),
        _block(
            "a job queue",
            commits(20),
            "SELECT * FROM jobs LIMIT ? FOR UPDATE SKIP LOCKED",
            "UPDATE jobs SET done = ? WHERE id = ?",
        ),
        _block("messages that come one by one", _half_a_second_apart(), gap_ms=500.0),
        _block("separate lines", _on_lines()),
        _block("rolled back", _rolled_back()),
        unmeasured(),
    ),
)
