"""A filter converts a column to another type before it compares it, and no index holds that.

What it finds
    A scan that reads many rows to keep few, because its filter compares `(number)::integer`,
    `(created_at)::date` or `(id)::text` instead of the column.

Why is this slow
    An index on a column is ordered by the column's own type. The converted values are ordered otherwise, so
    the index cannot be searched and every row is read and converted. The planner has no statistics of the
    converted values either, and guesses that one row in 200 matches.

Example
    SELECT * FROM orders WHERE number::integer = 42
    with numbers stored as text: 1,000,000 of them are converted to find one.

Use instead
    Compare the column with a value of the column's own type: number = '42', id = 42,
    created_at >= :day AND created_at < :day + 1. A column that is compared as a number everywhere should be
    one. An index of the converted values, CREATE INDEX ON orders ((number::integer)), serves statements
    that convert in the same way, and needs an ANALYZE after it.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    A column of text, or one of unknown type, is cast to text: that is how PostgreSQL shows every comparison
    with a varchar, and its index serves. An index on the converted column exists. The Python type of a
    bound value is the cause: parameter-type-cast says so. The filter also compares a plain column of ten
    values or more for equality. Many rows are wanted, or few are read, as before an early LIMIT.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, index_led_by, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.sql_functions import is_period, period_condition
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK221", "cast-on-column"
_COMPARISONS = ("=", "<", "<=", ">", ">=")
# How text is read as one of these depends on settings of the session, so that no index can be made of it.
_UNSTABLE = ("date", "time", "timestamp", "interval")
_CONFIDENCE = 0.8


def cast_on_column(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans whose filter converts a column.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        mine = next((item for item in scan.predicates if _is_converted(scan, item)), None)
        if mine is not None and not scan.has_plain_remedy:
            yield _finding(trace, scan, mine)


def _is_converted(scan: WastefulScan, predicate: Predicate) -> bool:
    if predicate.kind != "cast" or predicate.operator not in _COMPARISONS:
        return False
    if predicate.type_name == "text" and scan.may_be_text(predicate.columns[0]):
        return False
    return index_led_by(scan.table, predicate.expression) is None


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate) -> Finding:
    saving_ms = scan.saving_in(trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}.{predicate.columns[0]} is converted to {predicate.type_name} in each "
            f"of {scan.shown_read} rows to keep {scan.shown_kept}."
        ),
        advice=_advice(scan, predicate),
        refutation=(
            "Refuted if the values of the column can be written in several ways ('42', '042') that must all "
            "be found, or if the other conditions alone leave so few rows."
        ),
        confidence=_CONFIDENCE,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


def _advice(scan: WastefulScan, predicate: Predicate) -> str:
    column = predicate.columns[0]
    if predicate.operator == "=" and is_period(predicate.expression) and "ANY" not in predicate.value:
        words = "Compare the column itself with the two ends of the day."
        return f"{words}\nWHERE {period_condition(predicate.expression)}\n{scan.index_on(column)}"
    known = scan.column(column)
    own_type = known.type_name if known else None
    target = f"CAST(:value AS {own_type})" if own_type else ":value"
    advice = (
        f"Compare the column with a value of its own type{f', {own_type}' if own_type else ''}.\n"
        f"WHERE {column} {predicate.operator} {target}"
    )
    if predicate.value.startswith("ANY"):
        advice = advice.splitlines()[0]
    is_text = known is not None and known.is_text
    # Text is ordered otherwise than what it stands for: only equality can be asked of it.
    if is_text and predicate.operator != "=":
        return _converted_index(scan, predicate)
    return f"{advice}\n{scan.index_on(column)}"


def _converted_index(scan: WastefulScan, predicate: Predicate) -> str:
    column, type_name, table = predicate.columns[0], predicate.type_name, relation(scan.node)
    change = f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_name} USING {column}::{type_name};"
    if type_name.startswith(_UNSTABLE):
        return (
            "Store the column as what it is: no index can be made of this cast, which depends on settings of "
            f"the session. This rewrites the table and locks it meanwhile.\n{change}"
        )
    return (
        f"Store the column as {type_name} ({change.rstrip(';')}), or make an index of the converted values.\n"
        f"CREATE INDEX ON {table} ({predicate.index_key});\nANALYZE {table};"
    )


_NUMBER = "((customers.number)::integer = 42)"
_DAY = "((customers.joined)::date = ?::date)"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=cast_on_column,
    yields_to=("parameter-type-cast", "partitions-not-pruned"),
    fires_on=(
        planned_trace(filtering(_NUMBER)),
        planned_trace(filtering(_DAY)),
        plan_trace(filtering("((customers.id)::text = ?::text)"), known_table({"id": "integer"})),
        plan_trace(filtering("((customers.number)::integer > 99)"), known_table({"number": "text"})),
        plan_trace(filtering("((customers.day)::date > ?::date)"), known_table({"day": "text"})),
        # What a pasted plan shows of a float that was sent.
        planned_trace(filtering("((customers.id)::double precision = '42'::double precision)")),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_DAY, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # A varchar, as PostgreSQL shows it.
        planned_trace(filtering("((customers.code)::text = 'a'::text)")),
        plan_trace(
            filtering("((customers.code)::text = 'a'::text)"),
            known_table({"code": "character varying(20)"}),
        ),
        # The index is there.
        plan_trace(filtering(_NUMBER), known_table({"number": "text"}, known_index("((number)::integer)"))),
        # The value is converted, not the column.
        planned_trace(filtering("(customers.number = (42)::text)")),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.shop_id = 3) AND {_NUMBER})")),
        # Most rows match, or there are few.
        planned_trace(filtering(_DAY, rows=200_000, removed=100_000)),
        planned_trace(filtering(_DAY, removed=900)),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_DAY, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)
