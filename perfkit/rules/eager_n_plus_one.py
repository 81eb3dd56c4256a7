"""Eager loading that loads one parent at a time.

What it finds
    Statements for one relationship that SQLAlchemy sends from within one call, one for each parent: the
    strategy is `immediateload`, or the model says `lazy="immediate"`.

Why is this slow
    It is an N+1 that no loop of yours shows: each parent costs a round trip, merely earlier.

Example
    session.scalars(select(User).options(immediateload(User.posts))).all()

Use instead
    session.scalars(select(User).options(selectinload(User.posts))).all()

Thresholds
    min_repeats: 3 statements, so that one line which touches two objects is not taken for it.

Stays silent when
    The statements come from a loop of yours (that is n-plus-one). Eager loading asks for lists of keys, as
    `selectinload` does. One line touches one or two objects, or more of Django's, which has no such strategy.
"""

from collections.abc import Iterator

from perfkit.model.builders import line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._groups import by_shape_and_line, have_different_parameters, indexes_of, spans_of
from perfkit.rules._rule import Rule, severity_of


def eager_n_plus_one(trace: Trace, *, min_repeats: int = 3) -> Iterator[Finding]:
    """Report relationships that one call loads parent by parent.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements from one line, at least.
    """
    for members in by_shape_and_line(trace, _is_candidate):
        if len(members) >= min_repeats and have_different_parameters(members):
            yield _finding(trace, members)


def _is_candidate(span: QuerySpan) -> bool:
    # Django has no such strategy: there a line reads what it reads.
    is_load = span.relationship is not None and span.driver == "sqlalchemy"
    return is_load and span.loop_id is None and span.status == "ok"


def _finding(trace: Trace, members: list[Member]) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    name = spans[0].relationship or ""
    saving_ms = sent.busy_ms * (count - 1) / count
    return Finding(
        code="PK103",
        rule="eager-n-plus-one",
        severity=severity_of(saving_ms, trace, round_trips=count - 1),
        message=f"{count:,} statements where one would do: eager loading asks for {name} parent by parent",
        advice=(
            f'Replace immediateload, or lazy="immediate" in the model, by selectinload for {name}.\n'
            f"select({name.partition('.')[0]}).options(selectinload({name}))"
        ),
        refutation=(
            "One line sent these statements from within SQLAlchemy, for different parents. It would be a "
            "false alarm if the line touches several objects by hand, one after the other."
        ),
        confidence=0.8,
        location=spans[0].call_site,
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count - 1,
    )


_LAZY = "SELECT posts.id FROM posts WHERE ? = posts.author_id"
_SITE = line(1, "users = session.scalars(query).all()")

RULE = Rule(
    code="PK103",
    name="eager-n-plus-one",
    requires="queries",
    check=eager_n_plus_one,
    fires_on=(
        trace(
            [query(_LAZY, parameters=n, relationship="User.posts", call_site=_SITE) for n in range(9)],
            name="immediateload of nine parents",
        ),
    ),
    silent_on=(
        trace(loop(9, _LAZY, relationship="User.posts"), name="a loop of the user's"),
        trace(
            [
                query("SELECT * FROM posts WHERE author_id IN (…)", parameters=n, call_site=_SITE)
                for n in range(9)
            ],
            name="selectinload in chunks",
        ),
        trace(
            [query(_LAZY, parameters=n, relationship="User.posts", call_site=_SITE) for n in range(2)],
            name="two objects on one line",
        ),
        trace(
            [
                query(_LAZY, parameters=n, relationship="User.posts", call_site=_SITE, driver="django")
                for n in range(3)
            ],
            name="three objects of Django's on one line",
        ),
        unmeasured(),
    ),
)
