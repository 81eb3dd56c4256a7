"""A loop that asks for a few keys at a time.

What it finds
    A statement with a list of keys, `IN (...)`, that a proved loop sends again and again, each time with a
    handful of values.

Why is this slow
    The statement could take hundreds of keys, but each row of the loop pays a round trip for its own few. It
    is an N+1 that looks like batching.

Example
    for order in orders:
        products = session.scalars(select(Product).where(Product.id.in_(order.product_ids))).all()

Use instead
    keys = {key for order in orders for key in order.product_ids}
    products = {p.id: p for p in session.scalars(select(Product).where(Product.id.in_(keys)))}

Thresholds
    min_repeats: 5 statements; fewer may be all that there is.
    max_values: 10 values bound to each statement on average. Chunks on purpose are larger: SQLAlchemy's
    selectinload sends 500 keys at once, and from ten keys a statement on, it is chunking (reference notes on
    detectors, section 3.1).

Stays silent when
    The lists are long: chunks on purpose. It is not known how many values were bound. The values never change
    (that is duplicate-query). SQLAlchemy sends it after another statement of the same line, as eager loading
    does for each row or page that the loop fetches: that statement is the cause. It walks pages, excludes
    keys by NOT IN, or takes locks.
"""

import re
from collections import Counter
from collections.abc import Iterator

from perfkit.model.builders import alternating, line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._groups import (
    busiest_loop,
    have_different_parameters,
    indexes_of,
    lookups,
    spans_of,
)
from perfkit.rules._key_lists import ask_for_all
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._statements import has_key_list, is_catalogue, is_read, key_column

Place = tuple[CodeLocation | None, CodeLocation | None]
_LISTED = re.compile(r"([\w.\"]+)\s+(NOT\s+)?IN\s*\(…\)", re.IGNORECASE)


def select_in_loop(trace: Trace, *, min_repeats: int = 5, max_values: float = 10.0) -> Iterator[Finding]:
    """Report statements that a loop sends for a few keys at a time.

    Args:
        trace: a block whose queries were measured.
        min_repeats: statements of one shape in the loop, at least.
        max_values: values bound to each statement on average, at most.
    """
    plain_reads = _plain_reads(trace)
    for members in lookups(trace, _is_candidate):
        mean = sum(span.parameter_count or 0 for _, span in members) / len(members)
        is_loop = len(members) >= min_repeats and have_different_parameters(members)
        # What the same line sends about as often is the cause; SQLAlchemy adds the list to it.
        if is_loop and mean <= max_values and 2 * plain_reads[_place(members)] < len(members):
            yield _finding(trace, members, mean)


def _is_candidate(span: QuerySpan) -> bool:
    # A list that stands in the text has no bound values to count: it may be long.
    if span.loop_id is None or span.status != "ok" or not span.parameter_count:
        return False
    has_list = has_key_list(span) and _listed_column(span) is not None
    return has_list and is_read(span) and not is_catalogue(span)


def _listed_column(span: QuerySpan) -> str | None:
    """The column that is compared with a list, where the list includes and does not exclude."""
    match = _LISTED.search(span.query_text)
    return match[1] if match and not match[2] else None


def _plain_reads(trace: Trace) -> Counter[Place]:
    """How many statements without a list each line of a loop sends."""
    return Counter(
        (span.call_site, span.loop_site)
        for span in trace.queries or ()
        if span.loop_id is not None and is_read(span) and not has_key_list(span)
    )


def _place(members: list[Member]) -> Place:
    return members[0][1].call_site, busiest_loop(spans_of(members))


def _finding(trace: Trace, members: list[Member], mean: float) -> Finding:
    spans, sent = spans_of(members), all_sent(trace, members)
    count = sent.count
    # Beside an equality the list is a fixed filter, and the equality what the loop varies.
    column = key_column(spans[0]) or _listed_column(spans[0]) or "key"
    saving_ms = sent.busy_ms * (count - 1) / count
    return Finding(
        code="PK108",
        rule="select-in-loop",
        severity=severity_of(saving_ms, trace, round_trips=count - 1),
        message=f"{count:,} statements where one would do: a loop asks for a few {column} at a time",
        advice=(
            "Collect the keys of all rows before the loop, ask once for all of them (in chunks of 500 if "
            "there are thousands), and look rows up in a dictionary.\n"
            f"{ask_for_all(spans[0], column)}"
        ),
        refutation=(
            "One call of one function sent these statements from one instruction, with few values each. It "
            "would be a false alarm if the keys only become known one by one, from the answers before."
        ),
        confidence=0.8 if all(span.parameter_fingerprint for span in spans) else 0.6,
        location=spans[0].call_site,
        loop=busiest_loop(spans),
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=count - 1,
        evidence=(f"{count:,} statements, {mean:.1f} values each on average",),
    )


_LIST = "SELECT * FROM products WHERE products.id IN (…)"
_EAGER = loop(9, "SELECT * FROM posts WHERE posts.author_id IN (…)", parameter_count=1)

RULE = Rule(
    code="PK108",
    name="select-in-loop",
    requires="queries",
    check=select_in_loop,
    fires_on=(
        trace(loop(20, _LIST, parameter_count=3), name="three keys at a time"),
        trace(loop(20, _LIST, parameter_count=1), name="a list of one key"),
        trace(
            loop(9, "SELECT * FROM orders WHERE customer_id = ? AND status IN (…)", parameter_count=3),
            name="one customer at a time, with a short list of states",
        ),
    ),
    silent_on=(
        trace(loop(20, _LIST, parameter_count=500), name="chunks of five hundred"),
        trace(loop(20, _LIST), name="not known how many keys"),
        trace(loop(20, _LIST, parameter_count=0), name="keys that stand in the text"),
        trace(loop(4, _LIST, parameter_count=3), name="four statements"),
        trace(loop(9, _LIST, parameter_count=3, same_parameters=True), name="the same keys each time"),
        trace(
            alternating(loop(9, "SELECT * FROM authors WHERE id = ?"), _EAGER),
            name="eager loading for each row that the loop fetches",
        ),
        trace(
            alternating(loop(9, "SELECT * FROM authors ORDER BY id LIMIT ? OFFSET ?"), _EAGER),
            name="eager loading for each small page",
        ),
        trace(
            loop(9, "SELECT * FROM t WHERE a IN (…) ORDER BY id LIMIT ? OFFSET ?", parameter_count=4),
            name="a walk over pages with a filter",
        ),
        trace(loop(9, "SELECT * FROM t WHERE id NOT IN (…)", parameter_count=4), name="keys to leave out"),
        trace(loop(9, f"{_LIST} FOR UPDATE", parameter_count=2), name="locks"),
        trace(
            [query(_LIST, parameters=n, parameter_count=2, call_site=line(n)) for n in range(9)],
            name="nine separate lines",
        ),
        trace(loop(9, _LIST, parameter_count=2, status="error"), name="statements that failed"),
        unmeasured(),
    ),
)
