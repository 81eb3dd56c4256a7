"""A filter compares what a function makes of a column, and no index holds that.

What it finds
    A scan that reads many rows to keep few, because its filter compares `lower(email)`, a part of a date,
    or a calculation with a column, instead of the column.

Why is this slow
    An index on a column is ordered by the column. What a function makes of it is ordered otherwise, so the
    index cannot be searched: the function is called for every row. The planner has no statistics of the
    result either, and guesses that one row in 200 matches.

Example
    SELECT * FROM customers WHERE lower(email) = 'ann@example.org'
    calls lower() for each of 1,000,000 customers to find one.

Use instead
    CREATE INDEX ON customers (lower(email));
    ANALYZE customers;
    Only the ANALYZE after it lets the planner know how many rows match. For a period, compare the column
    with its two ends: created_at >= :day AND created_at < :day + interval '1 day'. That needs no more than
    an index on the column, and works where the function depends on the session's time zone, of which no
    index can be made. A calculation moves to the other side: price = :total / 1.2.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    An index on the expression exists. The filter also compares a plain column of ten values or more for
    equality: an index on that column comes first. The function is compared by `<>`. The column is cast, or
    is a document: other rules know more. Many rows are wanted, or few are read, as before an early LIMIT.
    The time goes elsewhere.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, index_led_by, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.sql_functions import IndexChance, index_chance, is_period, period_condition
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK220", "function-on-column"
_KINDS = ("function", "arithmetic")
_COMPARISONS = ("=", "<", "<=", ">", ">=")
_SURE, _LIKELY = 0.85, 0.6


def function_on_column(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans whose filter compares a function of a column.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        mine = [item for item in scan.predicates if item.kind in _KINDS and item.operator in _COMPARISONS]
        if mine and not scan.has_plain_remedy:
            best = min(mine, key=lambda item: item.operator != "=")
            if index_led_by(scan.table, best.expression) is None:
                yield _finding(trace, scan, best)


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate) -> Finding:
    saving_ms = scan.saving_in(trace)
    is_sure = predicate.operator == "=" and _chance(scan, predicate) == "yes"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}: {predicate.expression} is computed for each of "
            f"{scan.shown_read} rows to keep {scan.shown_kept}."
        ),
        advice=_advice(scan, predicate),
        refutation=(
            "Refuted if the plan stays the same with the index in place and the table analysed, or if the "
            "other conditions alone leave so few rows."
        ),
        confidence=_SURE if is_sure else _LIKELY,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


def _advice(scan: WastefulScan, predicate: Predicate) -> str:
    serving = scan.index_on(predicate.columns[0])
    is_single = predicate.operator == "=" and not predicate.value.startswith("ANY")
    if is_single and is_period(predicate.expression):
        words = "Compare the column itself with the two ends of the period."
        return f"{words}\nWHERE {period_condition(predicate.expression)}\n{serving}"
    if predicate.function == "age" or (predicate.kind == "arithmetic" and len(predicate.columns) == 1):
        return f"Move the calculation to the other side, so that the column stands alone.\n{serving}"
    if not predicate.is_fixed:
        return (
            "An index can only be made of an expression without bound values: write the constant into the "
            f"text of the statement, and make an index of the whole of {predicate.expression}."
        )
    return _expression_index(scan, predicate)


def _expression_index(scan: WastefulScan, predicate: Predicate) -> str:
    table, chance = relation(scan.node), _chance(scan, predicate)
    if chance == "no":
        return (
            f"No index can be made of {predicate.function}(), which depends on settings of the session. "
            "Compare the column itself with a range of values, or keep the result in a column of its own."
        )
    name = f"{predicate.function}()" if predicate.function else "the calculation"
    condition = "" if chance == "yes" else f" Only if {name} is IMMUTABLE, which it must be in truth."
    return (
        "An index on the expression leads straight to these rows; the ANALYZE after it tells the planner how "
        f"many they are. It is suggested, not proved.{condition}\n"
        f"CREATE INDEX ON {table} ({predicate.index_key});\nANALYZE {table};"
    )


def _chance(scan: WastefulScan, predicate: Predicate) -> IndexChance:
    column = scan.column(predicate.columns[0])
    return index_chance(predicate.function, column.type_name if column else None)


_LOWER = "(lower(customers.email) = ?::text)"
_TYPES = {"email": "text", "city": "text", "joined": "timestamp with time zone"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=function_on_column,
    yields_to=("partitions-not-pruned",),
    fires_on=(
        planned_trace(filtering(_LOWER)),
        planned_trace(filtering("(date_trunc('day'::text, customers.joined) = ?::timestamp with time zone)")),
        planned_trace(filtering("((customers.amount * 2) > 1000)")),
        # City has five values only, so an index on it would not help.
        plan_trace(
            filtering(f"((customers.city = 'Bern'::text) AND {_LOWER})"),
            known_table(_TYPES, distinct={"city": 5}),
        ),
        # An index leads to many rows, and the function is called for each of them.
        planned_trace(
            filtering(
                _LOWER, node_type="Index Scan", Index_Cond="(customers.shop_id = 3)", index_name="by_shop"
            )
        ),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_LOWER, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # The index is there; that it is not used has another cause.
        plan_trace(filtering(_LOWER), known_table(_TYPES, known_index("lower(email)"))),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.id = 7) AND {_LOWER})")),
        # The column stands alone, and the function is called once.
        planned_trace(filtering("(customers.email = lower(?::text))")),
        # No index finds what is unequal.
        planned_trace(filtering("(lower(customers.email) <> ?::text)")),
        # A small table.
        planned_trace(filtering(_LOWER, removed=900)),
        # Most rows match.
        planned_trace(filtering(_LOWER, rows=200_000, removed=100_000)),
        # Other rules know more of casts and documents.
        planned_trace(filtering("((customers.number)::integer = 42)")),
        planned_trace(filtering("((customers.doc ->> 'k'::text) = 'v'::text)")),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_LOWER, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)
