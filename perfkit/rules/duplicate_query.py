"""The same question asked again, though nothing was written in between.

What it finds
    Statements of one shape with equal parameters, sent at least twice in a block without a write between
    them.

Why is this slow
    The database gives the same answer again, and each time costs a round trip. Often a helper asks for
    what its caller already holds, or a loop asks for something that does not depend on the row.

Example
    for order in orders:
        rate = session.scalar(select(Rate.value).where(Rate.name == "vat"))    # the same each time

Use instead
    rate = session.scalar(select(Rate.value).where(Rate.name == "vat"))
    for order in orders:
        ...

Thresholds
    min_repeats: 2 statements. Two are "info", because reading a row again can be meant; three or more are
    worth a line (reference notes on detectors, section 3.2).
    poll_gap_ms: 50 ms of nothing between equal statements, and 20 times their own time, is waiting for a
    change, not asking twice by mistake.

Stays silent when
    A write happened in between. The text may answer differently by design: now(), random(), nextval(). The
    row is locked. The parameters are not known. It reads the schema or pings the connection. It polls.
"""

import itertools
from collections.abc import Iterator

from perfkit.model.builders import line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding, Severity
from perfkit.model.query import Member, QuerySpan, busy_ms
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import is_catalogue, is_read, is_volatile

_PINGS = ("SELECT ?", "SELECT 1", "select ?")


def duplicate_query(trace: Trace, *, min_repeats: int = 2, poll_gap_ms: float = 50.0) -> Iterator[Finding]:
    """Report each statement that was sent again with equal parameters and no write in between.

    Args:
        trace: a block whose queries were measured.
        min_repeats: equal statements, at least.
        poll_gap_ms: equal statements this far apart are taken for polling, in milliseconds.
    """
    for members in _runs_without_write(trace):
        if len(members) >= min_repeats and not _is_polling(members, poll_gap_ms):
            yield _finding(trace, members)


def _runs_without_write(trace: Trace) -> Iterator[list[Member]]:
    """Equal statements to one database, split wherever something was written."""
    # Two pools may lead to two databases, as with shards or tenants: the same question, another answer.
    pools = {use.connection_id: use.pool_id for use in trace.pool.uses} if trace.pool else {}
    runs: dict[tuple[str, str, int], list[Member]] = {}
    for index, span in enumerate(trace.queries or ()):
        if not is_read(span):
            yield from runs.values()
            runs = {}
        elif span.parameter_fingerprint is not None and _is_candidate(span):
            question = (span.fingerprint, span.parameter_fingerprint, pools.get(span.connection_id, 0))
            runs.setdefault(question, []).append((index, span))
    yield from runs.values()


def _is_candidate(span: QuerySpan) -> bool:
    if span.status != "ok" or span.query_text in _PINGS or span.column_load_kind == "refresh":
        return False
    return not (is_catalogue(span) or is_volatile(span))


def _is_polling(members: list[Member], poll_gap_ms: float) -> bool:
    spans = [span for _, span in members]
    gaps = [after.start_ms - before.end_ms for before, after in itertools.pairwise(spans)]
    longest = max(span.duration_ms for span in spans)
    return min(gaps) >= max(poll_gap_ms, 20 * longest)


def _finding(trace: Trace, members: list[Member]) -> Finding:
    spans = tuple(span for _, span in members)
    first, count = spans[0], len(spans)
    saving_ms = busy_ms(spans) * (count - 1) / count
    severity: Severity = "info" if count == 2 else severity_of(saving_ms, trace, round_trips=count - 1)
    where = "a loop asks" if first.loop_id is not None else "the block asks"
    return Finding(
        code="PK102",
        rule="duplicate-query",
        severity=severity,
        message=f"The same statement with the same parameters {count} times: {where} for what it already has",
        advice=_advice(first),
        refutation=(
            "Parameters are equal and nothing was written through this connection in between. It would be a "
            "false alarm if another program changes the rows and the block waits for that."
        ),
        confidence=0.8,
        location=first.call_site,
        loop=first.loop_site,
        offenders=tuple(index for index, _ in members),
        saving_ms=saving_ms,
        round_trips=count - 1,
    )


def _advice(first: QuerySpan) -> str:
    if first.loop_id is not None:
        return "Ask once before the loop and use the answer inside it."
    return "Ask once and pass the answer on, or keep it for the length of the request."


_RATE = "SELECT value FROM rates WHERE name = ?"
_WRITE = query("UPDATE rates SET value = ?", parameters=1)

RULE = Rule(
    code="PK102",
    name="duplicate-query",
    requires="queries",
    check=duplicate_query,
    fires_on=(
        trace(loop(9, _RATE, same_parameters=True), name="a loop asks for the same row each time"),
        trace(
            [query(_RATE, parameters="vat", call_site=line(n)) for n in (3, 8)],
            name="two helpers ask the same",
        ),
        trace(
            query(_RATE, parameters=()),
            query("SELECT 2", parameters=()),
            query(_RATE, parameters=()),
            name="not in a row",
        ),
    ),
    silent_on=(
        trace(
            query(_RATE, parameters="vat"),
            _WRITE,
            query(_RATE, parameters="vat"),
            name="read again after a write",
        ),
        trace(loop(9, _RATE), name="different parameters"),
        trace([query(_RATE) for _ in range(4)], name="parameters that could not be compared"),
        trace([query("SELECT nextval('s')", parameters=()) for _ in range(4)], name="a sequence"),
        trace(
            [query("SELECT * FROM jobs FOR UPDATE", parameters=()) for _ in range(4)],
            name="rows locked again",
        ),
        trace([query("SELECT ?", parameters=()) for _ in range(4)], name="pings"),
        trace([query("SELECT relname FROM pg_class", parameters=()) for _ in range(4)], name="reflection"),
        Trace(
            "polling for a change",
            "2026-01-01T00:00:00+00:00",
            400.0,
            queries=tuple(query(_RATE, parameters="vat", start_ms=100.0 * n) for n in range(4)),
        ),
        unmeasured(),
    ),
)
