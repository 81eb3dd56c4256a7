"""One statement shape sent once by each of many threads or tasks.

What it finds
    Statements of one shape from one line, each from another thread or task, with different parameters.

Why is this slow
    It is an N+1 run side by side: the waiting overlaps, but every statement still costs a round trip, a
    connection and the database's work, and the pool decides how many really run at once.

Example
    await asyncio.gather(*(load_user(user_id) for user_id in ids))

Use instead
    users = await load_users(ids)            # one statement: WHERE id IN (...)

Thresholds
    min_repeats: 5 statements, as there is no proved loop (reference notes on queries, section 5).
    min_workers: 2 threads or tasks.

Stays silent when
    All come from one thread and task. The parameters are equal (a duplicate). Fewer than five. They write.
"""

from collections.abc import Iterator

from perfkit.model.builders import line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._eager_loading import eager_loading
from perfkit.rules._groups import have_different_parameters, indexes_of, lookups, sender_of, spans_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import has_key_list, is_catalogue, is_read


def fan_out(trace: Trace, *, min_repeats: int = 5, min_workers: int = 2) -> Iterator[Finding]:
    """Report shapes that many threads or tasks send once each.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements from one line, at least.
        min_workers: threads or tasks that sent them, at least.
    """
    for members in lookups(trace, _is_candidate):
        workers = {sender_of(span) for _, span in members}
        if len(members) >= min_repeats and len(workers) >= min_workers and have_different_parameters(members):
            yield _finding(trace, members, len(workers))


def _is_candidate(span: QuerySpan) -> bool:
    is_within_call = span.relationship is not None and span.context_id != 0
    if span.loop_id is not None or is_within_call or span.status != "ok":
        return False
    return is_read(span) and not (is_catalogue(span) or has_key_list(span))


def _finding(trace: Trace, members: list[Member], workers: int) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    kind = "tasks" if spans[0].task_id else "threads"
    saving_ms = sent.busy_ms * (count - 1) / count
    return Finding(
        code="PK106",
        rule="fan-out",
        severity="worth it" if severity_of(saving_ms, trace, round_trips=count - 1) != "info" else "info",
        message=f"{count:,} statements of one shape from {workers} {kind}: an N+1 run side by side",
        advice=_advice(spans[0]),
        refutation=(
            f"One line sent them from {workers} {kind} with different parameters. It would be a false alarm "
            "if the keys only become known one by one, in work that really is independent."
        ),
        confidence=0.5,
        location=spans[0].call_site,
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count - 1,
    )


def _advice(first: QuerySpan) -> str:
    if first.relationship:
        return f"Load {first.relationship} before the work is handed out: {eager_loading([first], [])}"
    return "Collect the keys, ask once for all of them (WHERE key IN ...), then hand the rows out."


_BY_KEY = "SELECT * FROM users WHERE id = ?"
_LAZY = "SELECT users.id FROM users WHERE users.id = ?"
_SITE = line(7, "session.get(User, user_id)")

RULE = Rule(
    code="PK106",
    name="fan-out",
    requires="queries",
    check=fan_out,
    fires_on=(
        trace(
            [query(_BY_KEY, parameters=n, call_site=_SITE, task_id=f"Task-{n}") for n in range(6)],
            name="gather of one lookup a task",
        ),
        trace(
            [query(_BY_KEY, parameters=n, call_site=_SITE, thread_id=n) for n in range(6)],
            name="a thread pool",
        ),
        trace(
            [
                query(_LAZY, parameters=n, relationship="Post.author", call_site=_SITE, task_id=f"Task-{n}")
                for n in range(6)
            ],
            name="gather of one lazy load a task",
        ),
    ),
    silent_on=(
        trace(loop(9, _BY_KEY), name="one thread, a proved loop"),
        trace(
            [query(_BY_KEY, parameters=1, call_site=_SITE, task_id=f"Task-{n}") for n in range(6)],
            name="the same row in each task",
        ),
        trace(
            [query(_BY_KEY, parameters=n, call_site=_SITE, task_id=f"Task-{n}") for n in range(3)],
            name="three tasks",
        ),
        trace(
            [
                query(
                    _LAZY, parameters=n, relationship="Post.author", call_site=_SITE, task_id=f"Task-{n % 2}"
                )
                for n in range(4)
            ],
            name="two tasks with two lazy loads each",
        ),
        trace(
            [query("INSERT INTO t VALUES (?)", parameters=n, call_site=_SITE, thread_id=n) for n in range(9)],
            name="writes",
        ),
        unmeasured(),
    ),
)
