"""Eager loading that loads one parent at a time.

What it finds
    Statements for one relationship that SQLAlchemy sends from within one call, one for each parent: the
    strategy is `immediateload`, the model says `lazy="immediate"`, or an association proxy walks over the
    parents.

Why is this slow
    It is an N+1 that no loop of yours shows: each parent costs a round trip, merely earlier.

Example
    session.scalars(select(User).options(immediateload(User.posts))).all()

Use instead
    session.scalars(select(User).options(selectinload(User.posts))).all()

Thresholds
    min_repeats: 3 statements of one line, all from within calls that sent several.

Stays silent when
    The statements come from a loop of yours (that is n-plus-one). Eager loading asks for lists of keys, as
    `selectinload` does. One line touches several objects by hand, one after the other (n-plus-one says so
    from three on), or in tasks or threads (that is fan-out).
"""

from collections.abc import Iterator
from typing import Any

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
    is_within_call = span.context_id != 0 and span.loop_id is None
    return is_within_call and span.relationship is not None and span.status == "ok"


def _finding(trace: Trace, members: list[Member]) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    name = spans[0].relationship or ""
    saving_ms = sent.busy_ms * (count - 1) / count
    return Finding(
        code="PK103",
        rule="eager-n-plus-one",
        severity=severity_of(saving_ms, trace, round_trips=count - 1),
        message=f"{count:,} statements where one would do: one call loads {name} parent by parent",
        advice=(
            f'Replace immediateload, or lazy="immediate" in the model, by selectinload for {name}; before an '
            "association proxy reads it, load it so.\n"
            f"select({name.partition('.')[0]}).options(selectinload({name}))"
        ),
        refutation=(
            "One call into SQLAlchemy sent these statements before it returned, for different parents. It "
            "would be a false alarm if there are never more of them."
        ),
        confidence=0.8,
        location=spans[0].call_site,
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count - 1,
    )


_LAZY = "SELECT posts.id FROM posts WHERE ? = posts.author_id"
_SITE = line(1, "users = session.scalars(query).all()")


def _parents(count: int, **fields: Any) -> list[QuerySpan]:
    return [
        query(_LAZY, parameters=n, relationship="User.posts", call_site=_SITE, **fields) for n in range(count)
    ]


RULE = Rule(
    code="PK103",
    name="eager-n-plus-one",
    requires="queries",
    check=eager_n_plus_one,
    fires_on=(
        trace(
            _parents(9, context_id=1),
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
            _parents(2, context_id=1),
            name="two objects by one call",
        ),
        trace(_parents(9), name="nine objects on one line, each by a call of its own"),
        unmeasured(),
    ),
)
