"""Several statements for each row of one loop.

What it finds
    One loop that sends two or more shapes once a row each: A, B, A, B, A, B. It is reported once, because it
    has one cause and one place for the fix, though n-plus-one would name each shape by itself.

Why is this slow
    Each shape costs a round trip a row, so the loop pays rows times shapes. Mending one shape leaves the
    others.

Example
    for order in session.scalars(select(Order)):
        print(order.customer.name, len(order.items))        # two statements for each order

Use instead
    options = joinedload(Order.customer), selectinload(Order.items)
    for order in session.scalars(select(Order).options(*options)):
        print(order.customer.name, len(order.items))

Thresholds
    min_rounds: 3 rows for which at least two of the shapes were sent, and half of all rows: a session that
    already holds an object sends nothing for it (Sentry's M+N+1 detector: a pattern that comes three times).
    min_shapes: 2, and
    max_shapes: 8 shapes (Sentry's limits for the length of the pattern); a longer pattern is a whole program
    a row, and n-plus-one names its statements one by one.

Stays silent when
    The loop sends one shape (that is n-plus-one). First all of one shape and then all of the other. An inner
    loop sends the second shape. The parameters never change (that is duplicate-query). It reads and writes
    in turn, walks pages, asks for lists of keys, reads the schema, or repeats what failed. Fewer than three
    rows.
"""

from collections.abc import Iterator

from perfkit.model.builders import alternating, line, loop, query, trace, unmeasured
from perfkit.model.finding import Finding
from perfkit.model.large_blocks import all_sent
from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._eager_loading import eager_loading, first_load, together_by_keys
from perfkit.rules._groups import (
    MAX_SHAPES,
    MIN_ROUNDS,
    MIN_SHAPES,
    indexes_of,
    loops_of_several_shapes,
    spans_of,
)
from perfkit.rules._key_lists import ask_for_all, attribute_of
from perfkit.rules._orm_classes import loads_owner_of
from perfkit.rules._rule import Rule, severity_of
from perfkit.rules._sources import Source, Sources, around_loop, cause_of
from perfkit.rules._statements import is_count, key_column


def m_plus_n(
    trace: Trace,
    *,
    min_rounds: int = MIN_ROUNDS,
    min_shapes: int = MIN_SHAPES,
    max_shapes: int = MAX_SHAPES,
) -> Iterator[Finding]:
    """Report loops that send several shapes for each row.

    Args:
        trace: a block whose queries were measured.
        min_rounds: rows for which two shapes were sent, at least.
        min_shapes: shapes of the loop, at least.
        max_shapes: shapes of the loop, at most.
    """
    loops = loops_of_several_shapes(
        trace, min_rounds=min_rounds, min_shapes=min_shapes, max_shapes=max_shapes
    )
    sources = Sources(trace)
    for members in loops:
        yield _finding(trace, members, sources)


def _finding(trace: Trace, members: list[Member], known: Sources) -> Finding:
    spans = spans_of(members)
    shapes = _one_of_each(spans)
    counts = [all_sent(trace, _like(shape, members)).count for shape in shapes]
    sent = all_sent(trace, members)
    first = first_load([shape for shape in shapes if shape.relationship] or shapes)
    sources = known.of(_like(first, members), max(counts), members)
    needed = len(shapes)
    saved = sent.count - needed
    saving_ms = sent.busy_ms * saved / sent.count
    return Finding(
        code="PK105",
        rule="m-plus-n",
        severity=severity_of(saving_ms, trace, round_trips=saved),
        message=(
            f"{sent.count:,} statements where {needed} would do: a loop sends {needed} shapes for each row"
        ),
        advice=_advice(shapes, sources),
        refutation=(
            "One loop sent these shapes in turn, each with different parameters. It would be a false alarm "
            "if each statement needed the answer of the one before it, or if the loop never gets longer."
        ),
        confidence=0.8 if all(span.parameter_fingerprint for span in spans) else 0.6,
        location=spans[0].call_site,
        loop=spans[0].loop_site,
        outer_loop=around_loop(sources),
        cause=cause_of(sources),
        offenders=indexes_of(members),
        saving_ms=saving_ms,
        round_trips=saved,
        evidence=tuple(f"{n:,} × {_purpose(shape)}" for n, shape in zip(counts, shapes, strict=True)),
    )


def _one_of_each(spans: tuple[QuerySpan, ...]) -> list[QuerySpan]:
    """The first statement of each shape and line, in the order in which they came first."""
    found: dict[tuple[str, CodeLocation | None], QuerySpan] = {}
    for span in spans:
        found.setdefault((span.fingerprint, span.call_site), span)
    return list(found.values())


def _like(shape: QuerySpan, members: list[Member]) -> list[Member]:
    """The statements of this shape from this line."""
    place = (shape.fingerprint, shape.call_site)
    return [member for member in members if (member[1].fingerprint, member[1].call_site) == place]


def _purpose(shape: QuerySpan) -> str:
    at = f" at {shape.call_site.label}" if shape.call_site else ""
    column = key_column(shape)
    what = f"load {shape.relationship}" if shape.relationship else f"look up by {column or 'key'}"
    return f"{what}{at}"


def _advice(shapes: list[QuerySpan], sources: tuple[Source, ...]) -> str:
    lazy = [shape for shape in shapes if shape.relationship]
    others = [shape for shape in shapes if not shape.relationship]
    parts = []
    lookup = next((shape for shape in others if lazy and loads_owner_of(first_load(lazy), shape)), None)
    if lookup and (column := key_column(lookup)):
        others.remove(lookup)
        parts.append(
            "Collect the keys before the loop, and ask once for all, with what the loop reads of each."
        )
        parts.append(together_by_keys(lazy, lookup, attribute_of(column)))
    elif lazy:
        what = eager_loading(lazy, sources)
        parts.append(f"Load them together with the objects of the loop: {what}")
    parts.extend(_lookups([ask_for_all(shape, column) for shape in others if (column := key_column(shape))]))
    if not parts:
        parts.append(
            "Ask before the loop, once a shape, for everything that the loop needs: joins, or lists."
        )
    if any(is_count(shape) for shape in others):
        parts.append("Counts of all keys come from one statement with GROUP BY.")
    return "\n".join(parts)


def _lookups(conditions: list[str]) -> list[str]:
    if not conditions:
        return []
    advice = "Collect the keys before the loop, and ask once for all of them, by one statement each."
    return [advice, *dict.fromkeys(conditions)]


_ORDERS = query("SELECT orders.id FROM orders", returned_rows=50, call_site=line(1, "orders = load()"))
_ITEMS = "SELECT items.id FROM items WHERE ? = items.order_id"
_CUSTOMER = "SELECT customers.id FROM customers WHERE customers.id = ?"
_COUNTRY = "SELECT countries.id FROM countries WHERE countries.id = ?"


def _items(count: int) -> list[QuerySpan]:
    return loop(count, _ITEMS, relationship="Order.items", site=line(3, "order.items"))


def _customers(count: int) -> list[QuerySpan]:
    return loop(
        count,
        _CUSTOMER,
        relationship="Order.customer",
        entity="Customer",
        site=line(4, "order.customer"),
        loop_id=2,
    )


RULE = Rule(
    code="PK105",
    name="m-plus-n",
    requires="queries",
    check=m_plus_n,
    fires_on=(
        trace(_ORDERS, alternating(_customers(50), _items(50)), name="two relationships of each order"),
        trace(
            _ORDERS,
            alternating(
                _customers(9), loop(9, _COUNTRY, relationship="Customer.country", site=line(4), loop_id=3)
            ),
            name="a relationship of a related object, on one line",
        ),
        trace(
            alternating(loop(5, "SELECT * FROM a WHERE id = ?"), loop(5, "SELECT * FROM b WHERE a_id = ?")),
            name="two lookups by key",
        ),
        trace(
            _ORDERS, alternating(_items(20), _customers(12)), name="a customer is known already for some rows"
        ),
    ),
    silent_on=(
        trace(_ORDERS, _items(50), name="one shape"),
        trace(_ORDERS, _items(9), _customers(9), name="first all of one shape, then all of the other"),
        trace(
            alternating(
                _items(9), loop(9, _CUSTOMER, loop_site=line(5, "for item in order.items:"), loop_id=2)
            ),
            name="an inner loop sends the second shape",
        ),
        trace(alternating(_items(2), _customers(2)), name="two rows"),
        trace(
            alternating(_items(9), loop(9, _CUSTOMER, same_parameters=True)),
            name="the second statement is always the same",
        ),
        trace(alternating(_items(9), loop(9, "UPDATE orders SET seen = ? WHERE id = ?")), name="read, write"),
        trace(
            alternating(
                loop(9, "SELECT * FROM orders LIMIT ? OFFSET ?"), loop(9, "SELECT * FROM i WHERE id IN (…)")
            ),
            name="pages, with eager loading for each",
        ),
        trace(
            alternating(*(loop(4, "SELECT * FROM t WHERE id = ?", site=line(10 + n)) for n in range(9))),
            name="nine shapes a row, which n-plus-one names one by one",
        ),
        trace(
            [query(text, parameters=n, call_site=line(n)) for n in range(4) for text in (_ITEMS, _CUSTOMER)],
            name="lines written one below the other",
        ),
        unmeasured(),
    ),
)
