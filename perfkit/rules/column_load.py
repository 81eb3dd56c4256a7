"""An object whose columns are fetched again, one object at a time.

What it finds
    Statements that SQLAlchemy or Django sends to fetch columns of one object that it already has: deferred
    columns that are read after all, objects that a commit has expired, and objects that are refreshed.

Why is this slow
    Each object costs a round trip for values that the first statement could have brought, or did bring.

Example
    users = session.scalars(select(User)).all()
    session.commit()
    for user in users:
        print(user.name)          # the commit expired every user: one statement each

Use instead
    with Session(engine, expire_on_commit=False) as session:
        ...

Thresholds
    min_repeats: 2 statements in a proved loop, or from one line.

Stays silent when
    A single object is loaded again. The lines differ: each was written on purpose.
"""

from collections.abc import Iterator

from perfkit.model.builders import line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._eager_loading import eager_loading
from perfkit.rules._groups import busiest_loop, by_shape_and_line, indexes_of, spans_of
from perfkit.rules._orm_classes import entities
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._sources import Source, Sources, around_loop, cause_of

_WHY = {
    "deferred": "a deferred column is read after all",
    "expired": "a commit or rollback expired the objects",
    "refresh": "{} fetches what was just fetched",
}
_DJANGO = "django"


def column_load(trace: Trace, *, min_repeats: int = 2) -> Iterator[Finding]:
    """Report objects that are loaded again one by one.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements from one line, at least.
    """
    known = Sources(trace)
    for members in by_shape_and_line(
        trace, lambda span: span.column_load is not None and span.status == "ok"
    ):
        if len(members) >= min_repeats:
            is_deferred = _kind(members[0][1]) == "deferred"
            sources = known.of(members, all_sent(trace, members).count) if is_deferred else ()
            yield _finding(trace, members, sources)


def _finding(trace: Trace, members: list[Member], sources: tuple[Source, ...]) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    first = spans[0]
    is_django = first.driver == _DJANGO
    why = _WHY[_kind(first)].format("refresh_from_db" if is_django else "session.refresh")
    if sources and not set(first.owner_bases).isdisjoint(entities(sources[-1].span)):
        why = f"the statement asks for the columns of {entities(sources[-1].span)[0]} alone"
    saving_ms = sent.busy_ms
    return Finding(
        code="PK104",
        rule="column-load",
        severity=severity_of(saving_ms, trace, round_trips=count),
        message=f"{count:,} statements load {first.column_load} again, object by object: {why}",
        advice=_django_advice(first) if is_django else _advice(first, sources),
        refutation=(
            f"{'Django' if is_django else 'SQLAlchemy'} sent these statements for objects it already had. It "
            "would be a false alarm if other programs change these rows meanwhile and the block needs to see "
            "that."
        ),
        confidence=0.8,
        location=first.call_site,
        loop=busiest_loop(spans),
        outer_loop=around_loop(sources),
        cause=cause_of(sources),
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count,
    )


def _kind(span: QuerySpan) -> str:
    return span.column_load_kind or "deferred"


def _advice(first: QuerySpan, sources: tuple[Source, ...]) -> str:
    if _kind(first) == "deferred":
        return f"Ask for the column together with the objects: {eager_loading([first], sources)}"
    if _kind(first) == "expired":
        return (
            "Read what you need before the commit, or keep the objects as they are after it.\n"
            "Session(engine, expire_on_commit=False)"
        )
    return "Remove session.refresh, or refresh all objects by one statement with populate_existing=True."


def _django_advice(first: QuerySpan) -> str:
    owner, _, field = (first.column_load or "").partition(".")
    if _kind(first) == "deferred":
        return (
            "Ask for the column in the query set that loads the objects: leave it out of .defer(), or add it "
            f'to .only().\n{owner}.objects.only(..., "{field}")        # or without .defer("{field}")'
        )
    return (
        "Remove refresh_from_db, or load all objects again by one query set.\n"
        f"{owner}.objects.in_bulk([one.pk for one in objects])"
    )


_TEXT = "SELECT users.bio FROM users WHERE users.id = ?"

RULE = Rule(
    code="PK104",
    name="column-load",
    requires="queries",
    check=column_load,
    fires_on=(
        trace(
            loop(5, _TEXT, column_load="User.bio", column_load_kind="deferred"),
            name="a deferred column in a loop",
        ),
        trace(
            loop(5, _TEXT, column_load="User", column_load_kind="expired"), name="objects used after a commit"
        ),
        trace(loop(5, _TEXT, column_load="User", column_load_kind="refresh"), name="refresh in a loop"),
        trace(
            loop(5, _TEXT, column_load="User.bio", column_load_kind="deferred", driver=_DJANGO),
            name="a column that a query set of Django's left out",
        ),
    ),
    silent_on=(
        trace(query(_TEXT, column_load="User.bio", column_load_kind="deferred"), name="one object"),
        trace(
            [
                query(_TEXT, column_load="User", column_load_kind="refresh", call_site=line(n))
                for n in range(3)
            ],
            name="three lines on purpose",
        ),
        trace(loop(5, _TEXT), name="a lookup by key, which is an N+1"),
        trace(
            query(_TEXT, column_load="User", column_load_kind="refresh", driver=_DJANGO),
            name="one object of Django's after F() has changed it",
        ),
        unmeasured(),
    ),
)
