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
    min_together: 4 different statements that are sent again in the same order are one finding, not four.
    poll_gap_ms: 50 ms of nothing between equal statements, and 20 times their own time, is waiting for a
    change, not asking twice by mistake. In a loop that sends nothing else
    poll_loop_gap_ms: 10 ms, and 5 times their own time, are enough: what SQLAlchemy does between two
    statements takes a millisecond or two even under a profiler, so something in the loop waits.

Stays silent when
    A write happened in between, or another tenant, role or search path was set. The text may answer
    differently by design: now(), random(), nextval(). The row is locked. The parameters are not known. It
    reads the schema or pings the connection. It polls.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from perfkit.model.builders import EXAMPLE_TIME, alternating, line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding, Severity
from perfkit.model.large_blocks import kept_part
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan, busy_ms
from perfkit.model.trace import Trace
from perfkit.rules._polling import is_polling
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._settings import Settings
from perfkit.rules._statements import changes_setting, is_catalogue, is_read, is_volatile

_PINGS = ("SELECT ?", "SELECT 1", "select ?")


# Equal statements without a write between them.
_Run = list[Member]


def duplicate_query(
    trace: Trace,
    *,
    min_repeats: int = 2,
    min_together: int = 4,
    poll_gap_ms: float = 50.0,
    poll_loop_gap_ms: float = 10.0,
) -> Iterator[Finding]:
    """Report statements that were sent again with equal parameters and no write in between.

    One cause is one finding: the questions of one shape that one line asks again, and statements that come
    again together, as when a function is called twice.

    Args:
        trace: a block whose queries were measured.
        min_repeats: equal statements, at least.
        min_together: different statements that come again together, at least, to be one finding.
        poll_gap_ms: equal statements this far apart are taken for polling, in milliseconds.
        poll_loop_gap_ms: the same where a loop sends them three times or more and nothing else.
    """
    runs = [
        run
        for run in _runs_without_write(trace)
        if len(run) >= min_repeats and not is_polling(run, trace, poll_gap_ms, poll_loop_gap_ms)
    ]
    single: list[_Run] = []
    for together in _sent_together(sorted(runs, key=_first)):
        shapes = {run[0][1].fingerprint for run in together}
        if len(shapes) >= min_together:
            yield _finding_of_a_part(trace, together)
        else:
            single.extend(together)
    for same in _by_question(single):
        yield _finding(trace, same)


def _number(member: Member) -> int:
    return member[0]


def _first(run: _Run) -> int:
    return run[0][0]


def _sent_together(runs: list[_Run]) -> list[list[_Run]]:
    """Runs whose n-th statements all come before the n-th but one of any: A, B, C, A, B, C."""
    groups: list[list[_Run]] = []
    rounds: list[tuple[int, int]] = []
    for run in runs:
        wider = [(min(low, n), max(high, n)) for (low, high), (n, _) in zip(rounds, run, strict=False)]
        apart = all(one[1] < following[0] for one, following in itertools.pairwise(wider))
        if groups and len(run) == len(rounds) and apart:
            groups[-1].append(run)
            rounds = wider
        else:
            groups.append([run])
            rounds = [(number, number) for number, _ in run]
    return groups


def _by_question(runs: list[_Run]) -> Iterable[list[_Run]]:
    """Runs of one shape from one line: the same question about other rows, or again after a write."""
    groups: dict[tuple[str, CodeLocation | None], list[_Run]] = {}
    for run in runs:
        first = run[0][1]
        groups.setdefault((first.fingerprint, first.call_site), []).append(run)
    return groups.values()


def _runs_without_write(trace: Trace) -> Iterator[list[Member]]:
    """Equal statements to one database, split wherever something was written."""
    # Two pools may lead to two databases, as with shards or tenants: the same question, another answer.
    pools = {use.connection_id: use.pool_id for use in trace.pool.uses} if trace.pool else {}
    settings = Settings(trace)
    runs: dict[tuple[str, str, int, int], list[Member]] = {}
    for index, span in enumerate(trace.queries or ()):
        if changes_setting(span):
            continue
        if not is_read(span):
            yield from runs.values()
            runs = {}
        elif span.parameter_fingerprint is not None and _is_candidate(span):
            place = pools.get(span.connection_id, 0), settings.under(index)
            question = (span.fingerprint, span.parameter_fingerprint, *place)
            runs.setdefault(question, []).append((index, span))
    yield from runs.values()


def _is_candidate(span: QuerySpan) -> bool:
    if span.status != "ok" or span.query_text in _PINGS or span.column_load_kind == "refresh":
        return False
    return not (is_catalogue(span) or is_volatile(span))


def _finding(trace: Trace, runs: list[_Run]) -> Finding:
    count = sum(map(len, runs))
    who = "a loop" if runs[0][0][1].loop_id is not None else "the block"
    if len(runs) == 1:
        what = f"The same statement with the same parameters {count:,} times"
    else:
        again = f"{count - len(runs):,} of them with parameters that were answered already"
        what = f"{count:,} times the same statement, {again}"
    message = f"{what}: {who} asks for what it already has{kept_part(trace)}"
    return _judged(trace, runs, message, _advice(runs[0][0][1]))


def _finding_of_a_part(trace: Trace, runs: list[_Run]) -> Finding:
    """A part of the block that runs again, with all its statements."""
    message = (
        f"{len(runs)} statements with the same parameters, {len(runs[0]):,} times each: "
        f"a part of the block runs again{kept_part(trace)}"
    )
    lines = dict.fromkeys(run[0][1].call_site.label for run in runs if run[0][1].call_site)
    advice = "Run that part once and keep its answer: what it returns, or the objects that it loads."
    return _judged(trace, runs, message, advice, (f"sent from {', '.join(lines)}",) if lines else ())


def _judged(
    trace: Trace, runs: list[_Run], message: str, advice: str, evidence: tuple[str, ...] = ()
) -> Finding:
    members = sorted((member for run in runs for member in run), key=_number)
    spans = tuple(span for _, span in members)
    needless = len(spans) - len(runs)
    saving_ms = busy_ms(spans) * needless / len(spans)
    severity: Severity = "info" if needless == 1 else severity_of(saving_ms, trace, round_trips=needless)
    return Finding(
        code="PK102",
        rule="duplicate-query",
        severity=severity,
        message=message,
        advice=advice,
        refutation=(
            "Parameters are equal and nothing was written through this connection in between. It would be a "
            "false alarm if another program changes the rows and the block waits for that."
        ),
        confidence=0.8,
        location=spans[0].call_site,
        loop=spans[0].loop_site,
        offenders=tuple(index for index, _ in members),
        saving_ms=saving_ms,
        round_trips=needless,
        evidence=evidence,
    )


def _advice(first: QuerySpan) -> str:
    if first.loop_id is not None:
        return "Ask once before the loop and use the answer inside it."
    return "Ask once and pass the answer on, or keep it for the length of the request."


_RATE = "SELECT value FROM rates WHERE name = ?"
_WRITE = query("UPDATE rates SET value = ?", parameters=1)


def _spread(spans: list[QuerySpan], gap_ms: float) -> list[QuerySpan]:
    """Statements that begin this long after each other."""
    return [replace(span, start_ms=gap_ms * number) for number, span in enumerate(spans)]


def _block(name: str, spans: list[QuerySpan]) -> Trace:
    return Trace(name, EXAMPLE_TIME, 500.0, queries=tuple(spans))


RULE = Rule(
    code="PK102",
    name="duplicate-query",
    requires="queries",
    check=duplicate_query,
    fires_on=(
        trace(loop(9, _RATE, same_parameters=True), name="a loop asks for the same row each time"),
        _block("a loop that works on each row", _spread(loop(6, _RATE, same_parameters=True), 12.0)),
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
        _block(
            "a loop works for ten milliseconds on each row",
            _spread(alternating(loop(6, _RATE, same_parameters=True), loop(6)), 11.0),
        ),
        trace(
            alternating(
                loop(9, "SELECT set_config(?, ?, ?)", same_parameters=True),
                loop(9, _RATE, same_parameters=True, loop_id=2),
            ),
            name="the same tenant is set each time",
        ),
        _block("asked twice, with work in between", _spread([query(_RATE, parameters="vat")] * 3, 11.0)),
        trace(
            [query(_RATE, parameters=name, call_site=line(3)) for name in "abcabcab"],
            name="a line that asks for three rates again and again: one finding",
        ),
        trace(
            [query(_RATE + f" AND a{n}", parameters=(), call_site=line(n)) for n in (1, 2, 3, 4, 5) * 2],
            name="a report that is made twice: one finding",
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
        trace(
            alternating(loop(9, "SELECT set_config(?, ?, ?)"), loop(9, _RATE, same_parameters=True)),
            name="the same question for each tenant",
        ),
        trace(
            alternating(
                loop(9, "SELECT set_config(?, ?, ?)"),
                loop(9, "SELECT set_config(?, ?, ?)", same_parameters=True, site=line(4), loop_id=2),
                loop(9, _RATE, same_parameters=True, site=line(5), loop_id=3),
            ),
            name="the same question for each tenant, by a role that stays the same",
        ),
        trace(
            [query(text, parameters=()) for n in range(4) for text in (f"SET ROLE r{n}", _RATE)],
            name="the same question by each role",
        ),
        trace([query(_RATE) for _ in range(4)], name="parameters that could not be compared"),
        trace([query("SELECT nextval('s')", parameters=()) for _ in range(4)], name="a sequence"),
        trace(
            [query("SELECT * FROM jobs FOR UPDATE", parameters=()) for _ in range(4)],
            name="rows locked again",
        ),
        trace([query("SELECT ?", parameters=()) for _ in range(4)], name="pings"),
        trace([query("SELECT relname FROM pg_class", parameters=()) for _ in range(4)], name="reflection"),
        _block("polling for a change", _spread([query(_RATE, parameters="vat")] * 4, 100.0)),
        _block(
            "polling every ten milliseconds",
            _spread(loop(6, _RATE, same_parameters=True, loop_site=line(2, "while not done():")), 11.0),
        ),
        unmeasured(),
    ),
)
