"""A statement that a loop sends again and again, each time for another row.

What it finds
    One statement shape, sent at least twice by one loop with different parameters; or a relationship that one
    line loads for five objects by hand. The loop is proved: the same call of the same function sent them
    from the same instruction (reference notes on queries, section 4). Lazy loading of a relationship is the
    usual cause; a lookup by key in a loop is the other. A loop in a loop is named with the one around it, and
    the option to paste leads from the objects of the outermost, where they are loaded, to the inner ones.

Why is this slow
    Each statement pays a round trip to the database, besides parsing, planning and turning rows into
    objects. The time grows with the number of rows, and a database on the same machine hides most of it:
    at 1 ms a round trip, 100 rows cost 100 ms before any work is done.

Example
    for user in session.scalars(select(User)):
        print(user.name, len(user.posts))        # one statement for each user

Use instead
    for user in session.scalars(select(User).options(selectinload(User.posts))):
        print(user.name, len(user.posts))        # two statements, however many users

Thresholds
    min_repeats: 2 statements. A proved loop with different parameters is the pattern itself, so the count
    ranks the finding instead of hiding it (Sentry waits for 5 and 50 ms, Scout for 5 and 150 ms: those are
    filters for production).
    min_on_one_line: 5 lazy loads by one line, as there is no proved loop (reference notes on queries, 5).

Stays silent when
    The parameters are all equal (that is duplicate-query). The statements come from within one call into
    SQLAlchemy: a flush, eager loading in chunks. Two separate lines sent one each. The loop walks pages by an
    OFFSET that changes or by the last key. It reads ranges of ten rows or more on average. Each statement
    already asks for a list of keys. It reads the schema, or sets something such as a role. It is asked once
    under each setting. It failed and was tried again. The loop sends several shapes for each row (m-plus-n).
    What was loaded together comes again with each object that a commit made stale (column-load).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from perfkit.model.builders import alternating, line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._eager_loading import eager_loading
from perfkit.rules._groups import (
    busiest_loop,
    have_different_parameters,
    indexes_of,
    lazy_loads_by_hand,
    lookups,
    loops_of_several_shapes,
    spans_of,
)
from perfkit.rules._lookups import lookup_advice
from perfkit.rules._orm_classes import owner_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._sources import Source, Sources, around_loop, calls_itself, cause_of, fed_by
from perfkit.rules._statements import (
    is_row_lookup_in_loop,
)


def n_plus_one(trace: Trace, *, min_repeats: int = 2, min_on_one_line: int = 5) -> Iterator[Finding]:
    """Report each shape that one line sends in a proved loop.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements of one shape in the loop, at least.
        min_on_one_line: lazy loads of one relationship by one line that no loop sends, at least.
    """
    sources = Sources(trace)
    shared = {index for members in loops_of_several_shapes(trace) for index in indexes_of(members)}
    for members in lookups(trace, is_row_lookup_in_loop):
        own = [member for member in members if member[0] not in shared]
        if len(own) >= min_repeats and have_different_parameters(own):
            yield _finding(trace, own, sources)
    for members in lazy_loads_by_hand(trace):
        if len(members) >= min_on_one_line and have_different_parameters(members):
            yield _finding(trace, members, sources)


def _finding(trace: Trace, members: list[Member], known: Sources) -> Finding:
    spans = spans_of(members)
    first = spans[0]
    sent = all_sent(trace, members)
    loop_site = busiest_loop(spans)
    sources, is_walk = _sources(members, sent.count, known)
    needed = _still_needed(first, sources)
    if needed >= sent.count:  # an option would only change which statements are sent
        sources, needed = (), 1
    saved = sent.count - needed
    saving_ms = sent.busy_ms * saved / sent.count
    what = f"loading {first.relationship}" if first.relationship else "asking for one row after another"
    around = around_loop(sources)
    return Finding(
        code="PK101",
        rule="n-plus-one",
        severity=severity_of(saving_ms, trace, round_trips=saved),
        message=(
            f"{sent.count:,} statements where {'one' if needed == 1 else f'{needed:,}'} would do: "
            f"{_sender(first, around)} sends one a row, {what}"
        ),
        advice=_advice(first, sources, is_walk=is_walk),
        refutation=_refutation(spans),
        confidence=_confidence(spans),
        location=first.call_site,
        loop=loop_site,
        outer_loop=around,
        cause=cause_of(sources),
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=saved,
        evidence=(_evidence(trace, sent.count, spans, sources),),
    )


def _sources(members: list[Member], count: int, known: Sources) -> tuple[tuple[Source, ...], bool]:
    """The statements whose rows the loop walks over, and whether it goes on with what it loads."""
    first = members[0][1]
    sources = known.of(members, count)
    is_walk = calls_itself(first) or (first.entity == owner_of(first) and not sources)
    # Of a tree, the statement before the loop loads the roots alone.
    return (known.of(members, 1) if is_walk and first.relationship else sources), is_walk


def _sender(first: QuerySpan, around: CodeLocation | None) -> str:
    if first.loop_id is None:
        return "one line"
    if calls_itself(first):
        return "a function that calls itself"
    return "a loop in a loop" if around else "a loop"


def _confidence(spans: tuple[QuerySpan, ...]) -> float:
    """Surest where a loop is proved; lines that read several objects by hand may never read more."""
    if spans[0].loop_id is None:
        return 0.5
    return 0.8 if all(span.parameter_fingerprint for span in spans) else 0.6


def _still_needed(first: QuerySpan, sources: tuple[Source, ...]) -> int:
    """Eager loading sends one for each statement that asks for the owners, which may be in a loop too."""
    is_asked_for = first.relationship and sources and not sources[0].span.relationship
    return sources[0].count if is_asked_for else 1


def _advice(first: QuerySpan, sources: tuple[Source, ...], *, is_walk: bool) -> str:
    if first.relationship:
        what = eager_loading([first], sources, is_recursive=is_walk)
        return f"Load {first.relationship} together with its {owner_of(first)} objects: {what}"
    return lookup_advice(first, calls_itself=calls_itself(first))


def _refutation(spans: tuple[QuerySpan, ...]) -> str:
    sent = "One call of one function sent these statements from one instruction"
    if spans[0].loop_id is None:
        sent = "One line sent these statements, each when an attribute was read"
    if calls_itself(spans[0]):
        sent = "Deeper and deeper calls of one function sent these statements from one instruction"
    known = all(span.parameter_fingerprint for span in spans)
    values = "with different parameters" if known else "whose parameters could not be compared"
    return (
        f"{sent}, {values}. It would be a false "
        "alarm if each statement needed the answer of the one before it, or if the loop never gets longer."
    )


def _evidence(trace: Trace, count: int, spans: tuple[QuerySpan, ...], sources: tuple[Source, ...]) -> str:
    sets = {span.parameter_fingerprint for span in spans}
    first = f" among the first {len(spans):,}" if len(spans) < count else ""
    text = f"{count:,} statements of one shape, {counted(len(sets), 'different parameter set')}{first}"
    return f"{text}; {fed_by(sources, trace)}"


_USERS = query(
    "SELECT users.id FROM users",
    returned_rows=100,
    call_site=line(1, "users = session.scalars(select(User))"),
)
_LAZY = "SELECT posts.id FROM posts WHERE ? = posts.author_id"
_EXPIRED = loop(9, "SELECT * FROM users WHERE id = ?", column_load="User", column_load_kind="expired")
_LAST = "SELECT id FROM posts WHERE author_id = ? ORDER BY id DESC LIMIT ? OFFSET ?"
_VALID = "SELECT price FROM prices WHERE product_id = ? AND since <= ? ORDER BY since DESC LIMIT ?"
_RETRY: dict[str, Any] = {"call_site": line(3), "loop_site": line(2), "loop_id": 1}

RULE = Rule(
    code="PK101",
    name="n-plus-one",
    requires="queries",
    check=n_plus_one,
    fires_on=(
        trace(
            _USERS, loop(100, _LAZY, relationship="User.posts"), name="a relationship is loaded for each user"
        ),
        trace(
            alternating(_EXPIRED, loop(9, _LAZY, relationship="User.posts", loop_id=2)),
            name="a relationship of objects that a commit expired, never loaded together",
        ),
        trace(loop(3, "SELECT * FROM users WHERE id = ?"), name="a lookup by key in a short loop"),
        trace(loop(3, "SELECT count(*) FROM posts WHERE author_id = ?"), name="a count for each user"),
        trace(loop(5, "SELECT * FROM t WHERE a = ? AND b = ?"), name="a lookup by two columns in a loop"),
        trace(
            [query(_LAZY, parameters=n, relationship="User.posts", call_site=line(1)) for n in range(5)],
            name="one line that reads five objects by hand",
        ),
        trace(loop(9, _LAST, offset_fingerprint="p1"), name="the last post of each author, no row skipped"),
        trace(loop(9, _VALID), name="the price that is valid at a date, for each product"),
        trace(
            alternating(
                loop(9, "SET search_path TO t", same_parameters=True), loop(9, "SELECT * FROM t WHERE id = ?")
            ),
            name="lookups by connections that are set up anew, all alike",
        ),
        trace(loop(9, "SELECT * FROM rates WHERE day BETWEEN ? AND ?"), name="a range that holds one row"),
        trace(
            loop(9, "SELECT * FROM prices WHERE ticker = ? AND day BETWEEN ? AND ?", returned_rows=99),
            name="the same days of one ticker after another",
        ),
        trace(
            query(call_site=line(3), loop_site=line(2), loop_id=1),
            query(call_site=line(3), loop_site=line(2), loop_id=1),
            name="parameters that could not be compared",
        ),
    ),
    silent_on=(
        trace(_USERS, query(_LAZY, parameters=1, relationship="User.posts"), name="one plus one"),
        trace(
            [query(_LAZY, parameters=n, relationship="User.posts", call_site=line(1)) for n in range(4)],
            name="four objects on one line",
        ),
        trace(
            [
                query(_LAZY, parameters=n, relationship="A.bs", call_site=line(1), context_id=1)
                for n in (1, 2, 3)
            ],
            name="loads by one call into SQLAlchemy: that is eager-n-plus-one",
        ),
        trace(
            query("SELECT posts.id FROM posts WHERE posts.author_id IN (…)"),
            alternating(_EXPIRED, loop(9, _LAZY, relationship="User.posts", loop_id=2)),
            name="loaded together, and again with each object that a commit expired: that is column-load",
        ),
        trace(loop(9, same_parameters=True), name="the same parameters each time: a duplicate"),
        trace([query(_LAZY, parameters=n, call_site=line(n)) for n in range(4)], name="four separate lines"),
        trace(
            [query(_LAZY, parameters=n, call_site=line(1)) for n in range(4)], name="eager loading in chunks"
        ),
        trace(loop(9, "SELECT * FROM t ORDER BY id LIMIT ? OFFSET ?"), name="a walk over pages by offset"),
        trace(
            [replace(span, offset_fingerprint=f"p{n}") for n, span in enumerate(loop(9, _LAST))],
            name="a walk over the pages of one author",
        ),
        trace(loop(9, "SELECT * FROM t WHERE id > ? ORDER BY id LIMIT ?"), name="a walk over pages by key"),
        trace(
            loop(9, "SELECT * FROM t WHERE org_id = ? AND id BETWEEN ? AND ?", returned_rows=100),
            name="ranges of keys within one organisation",
        ),
        trace(
            loop(
                9,
                "SELECT * FROM t WHERE a = ? AND at >= ? AND at < ?",
                returned_rows=99,
                parameter_count=2,
            ),
            name="days of one kind, which the text names",
        ),
        trace(
            loop(9, "SELECT * FROM t WHERE id BETWEEN ? AND ?", returned_rows=100),
            name="batches by ranges of keys",
        ),
        trace(
            loop(9, "SELECT * FROM t WHERE day >= ? AND day < ?", returned_rows=100), name="a day at a time"
        ),
        trace(loop(9, "SELECT set_config(?, ?, ?)"), name="the tenant is set"),
        trace(
            alternating(loop(9, "SET app.tenant = ?"), loop(9, "SELECT * FROM t WHERE id = ?")),
            name="one lookup for each tenant, to whom row-level security shows other rows",
        ),
        trace(loop(9, "SELECT * FROM t WHERE id IN (…)"), name="lists of keys in chunks"),
        trace(loop(9, "SELECT oid FROM pg_catalog.pg_class WHERE relname = ?"), name="reflection"),
        trace(
            alternating(loop(4, _LAZY), loop(4, "SELECT * FROM t WHERE id = ?")),
            name="two shapes a row, which are one cause",
        ),
        trace(loop(9, "INSERT INTO t VALUES (?)"), name="writes, which are another matter"),
        trace(loop(9, "SELECT * FROM t WHERE id = ? FOR UPDATE"), name="locks taken one by one"),
        trace(
            query(parameters=1, status="error", error_type="OperationalError", **_RETRY),
            query(parameters=1, **_RETRY),
            name="a retry after an error",
        ),
        unmeasured(),
    ),
)
