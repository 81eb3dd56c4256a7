"""Rows written one by one in a loop.

What it finds
    INSERT, UPDATE or DELETE statements of one shape that a proved loop sends one at a time.

Why is this slow
    Each row pays a round trip and the work around a statement. One statement for many rows is usually ten
    to fifty times faster (reference notes on notebooks, section 5: 23,000 against 2,000,000 rows/s).

Example
    for row in rows:
        session.execute(insert(Event).values(**row))

Use instead
    session.execute(insert(Event), rows)          # one call: SQLAlchemy sends the rows in batches
    Event.objects.bulk_create(events)             # Django
    cursor.executemany(sql, rows)                 # a driver

Thresholds
    min_repeats: 5 statements; a handful of writes on purpose is no bulk load.

Stays silent when
    One call sends them: a flush, an executemany, a bulk insert. The statement takes many parameter sets. The
    lines differ. It failed and was tried again. Each write follows a locking read of its own, FOR UPDATE, as
    in a job queue: the next row is not known before, and one after the other is meant.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from perfkit.model.builders import alternating, line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._bulk_writes import write_together
from perfkit.rules._groups import busiest_loop, by_shape_and_line, indexes_of, sender_of, spans_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import compares_key, is_bulk_write, skips_locked, takes_lock

_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE")
# Not of the rows that refer to it, which Django deletes along.
_BY_A_KEY = re.compile(r'DELETE FROM ("?\w+"?) WHERE \1\."?id"? IN \(…\)')
# A thread and a task.
_Sender = tuple[int, str | None]


def write_loop(trace: Trace, *, min_repeats: int = 5) -> Iterator[Finding]:
    """Report shapes that write row by row in a proved loop.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements of one shape in the loop, at least.
    """
    locks = _locking_reads(trace)
    for members in by_shape_and_line(trace, _is_candidate):
        if len(members) >= min_repeats and not _follow_locks(members, locks):
            yield _finding(trace, members)


def _is_candidate(span: QuerySpan) -> bool:
    is_single_write = span.operation_name in _WRITES and span.batch_size == 1 and not is_bulk_write(span)
    in_loop = span.loop_id is not None and span.status == "ok"
    return in_loop and (is_single_write or _deletes_one_object(span))


def _deletes_one_object(span: QuerySpan) -> bool:
    """Whether Django's `delete()` of an object sent it: a list of one key, which no other list goes with."""
    is_djangos = span.driver == "django" and span.entity is not None and span.parameter_count == 1
    return is_djangos and _BY_A_KEY.fullmatch(span.query_text) is not None


def _locking_reads(trace: Trace) -> dict[_Sender, list[int]]:
    """The numbers of the reads that lock whatever comes next, by who sent them.

    One that locks the row of a known key takes no job: the rows could be locked together as well.
    """
    found: dict[_Sender, list[int]] = {}
    for index, span in enumerate(trace.queries or ()):
        if takes_lock(span) and (skips_locked(span) or not compares_key(span)):
            found.setdefault(sender_of(span), []).append(index)
    return found


def _follow_locks(members: list[Member], locks: dict[_Sender, list[int]]) -> bool:
    """Whether something was locked between each of these writes and the one before it."""
    previous: dict[_Sender, int] = {}
    for index, span in members:
        sender = sender_of(span)
        numbers = locks.get(sender, [])
        before = bisect_left(numbers, index)
        if not before or numbers[before - 1] < previous.get(sender, -1):
            return False
        previous[sender] = index
    return True


def _finding(trace: Trace, members: list[Member]) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    first = spans[0]
    saving_ms = sent.busy_ms * (count - 1) / count
    return Finding(
        code="PK107",
        rule="write-loop",
        severity=severity_of(saving_ms, trace, round_trips=count - 1),
        message=f"{count:,} {first.operation_name} statements where one would do: a loop writes row by row",
        advice=write_together(first),
        refutation=(
            "One call of one function sent these writes from one instruction, one row each. It would be a "
            "false alarm if each row needs what the database answered to the one before it."
        ),
        confidence=0.8,
        location=first.call_site,
        loop=busiest_loop(spans),
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count - 1,
    )


_INSERT = "INSERT INTO events (kind) VALUES (?)"
_DELETE_BY_KEYS = "DELETE FROM events WHERE events.id IN (…)"
_LOCK = "SELECT id FROM jobs WHERE NOT done LIMIT ? FOR UPDATE SKIP LOCKED"
_DONE = "UPDATE jobs SET done = ? WHERE id = ?"

RULE = Rule(
    code="PK107",
    name="write-loop",
    requires="queries",
    check=write_loop,
    fires_on=(
        trace(loop(50, _INSERT), name="insert row by row"),
        trace(loop(50, "UPDATE users SET seen = ? WHERE id = ?"), name="update row by row"),
        trace(loop(50, "DELETE FROM users WHERE id = ?"), name="delete row by row"),
        trace(loop(50, _INSERT, driver="django", entity="Event"), name="objects of Django's made one by one"),
        trace(loop(50, _INSERT, driver="psycopg"), name="insert row by row without an ORM"),
        trace(
            loop(50, _DELETE_BY_KEYS, driver="django", entity="Event", parameter_count=1),
            name="objects of Django's deleted one by one",
        ),
        trace(loop(1, _LOCK), loop(50, _DONE), name="many rows locked at once, then updated row by row"),
        trace(
            alternating(loop(9, "SELECT n FROM jobs WHERE id = ? FOR UPDATE"), loop(9, _DONE)),
            name="rows of known keys, locked and updated one by one",
        ),
    ),
    silent_on=(
        trace([query(_INSERT, parameters=n) for n in range(50)], name="a flush"),
        trace(loop(9, _INSERT, batch_size=1000), name="batches of a thousand"),
        trace(loop(3, _INSERT), name="three rows"),
        trace(
            loop(9, _DELETE_BY_KEYS, driver="django", entity="Event", parameter_count=100),
            name="a hundred objects of Django's at a time",
        ),
        trace(
            loop(
                9,
                "DELETE FROM visits WHERE visits.event_id IN (…)",
                driver="django",
                entity="Visit",
                parameter_count=1,
            ),
            name="rows that refer to an object, deleted along with it",
        ),
        trace(
            loop(9, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ? LIMIT ?)"),
            name="old rows deleted in chunks",
        ),
        trace(
            [query(_INSERT, parameters=n, call_site=line(n)) for n in range(9)], name="nine separate lines"
        ),
        trace(alternating(loop(9, _LOCK), loop(9, _DONE)), name="a job queue"),
        trace(loop(9, "SELECT * FROM users WHERE id = ?"), name="reads"),
        unmeasured(),
    ),
)
