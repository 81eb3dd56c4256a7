"""A value of the wrong Python type makes the database convert the column, row by row.

What it finds
    A whole number in a column, compared with a `float` or a `Decimal` that Python sent. PostgreSQL then
    compares `(id)::double precision` or `(id)::numeric`, for which the index on the column is of no use.

Why is this slow
    There is no comparison of integers with such values, so the side of the lower type is converted, and
    that is the column. An index on the column is ordered by integers: it cannot be searched for the
    converted values, and every row is read and converted.

Example
    session.execute(text("SELECT * FROM orders WHERE id = :id"), {"id": 42.0})
    reads 1,000,000 rows in 76 ms; with 42 the index finds the row in 0.05 ms.

Use instead
    session.execute(text("SELECT * FROM orders WHERE id = :id"), {"id": int(order_id)})
    or, in the statement, WHERE id = CAST(:id AS integer). Such values come from pandas, where one missing
    value turns a column of integers into floats, from JSON, and from sums in Decimal. A column that
    SQLAlchemy knows (`Order.id == value`) is compared with a value cast to the column's own type.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    The types of the values or of the column are not known, as in a plan that was pasted. No value of such a
    type was bound. The column is not indexed while another condition can be. Many rows are wanted, or few
    are read, as before an early LIMIT. The time goes elsewhere.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, index_led_by, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK222", "parameter-type-cast"
_INTEGERS = ("smallint", "integer", "bigint")
# What the drivers send as these types of PostgreSQL; a list may hold any of them.
_PYTHON_TYPES = {
    "numeric": ("decimal.Decimal",),
    "double precision": ("float", "numpy.float64"),
    "real": ("float", "numpy.float32"),
}
_LISTS = ("list", "tuple", "set", "numpy.ndarray")
_SURE, _LIKELY = 0.95, 0.8


def parameter_type_cast(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans that convert a column because of the type of a bound value.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        for predicate in scan.predicates:
            sent = _sent_type(scan, predicate)
            if sent and (_is_indexed(scan, predicate) or not scan.has_plain_remedy):
                yield _finding(trace, scan, predicate, sent)
                break


def _sent_type(scan: WastefulScan, predicate: Predicate) -> str | None:
    """The Python type of the value that made the database convert this column."""
    column = scan.column(predicate.columns[0]) if predicate.kind == "cast" else None
    if column is None or not _is_widened(column.type_name, predicate.type_name):
        return None
    wanted = _PYTHON_TYPES[predicate.type_name]
    found = [name for name in scan.plan.parameter_types if name in wanted]
    if not found and predicate.value.startswith("ANY"):
        found = [f"{wanted[0]} in a {name}" for name in scan.plan.parameter_types if name in _LISTS]
    return found[0] if found else None


def _is_widened(column_type: str, cast_type: str) -> bool:
    if column_type in _INTEGERS:
        return cast_type in _PYTHON_TYPES
    return column_type.startswith("numeric") and cast_type == "double precision"


def _is_indexed(scan: WastefulScan, predicate: Predicate) -> bool:
    return index_led_by(scan.table, predicate.columns[0]) is not None


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate, sent: str) -> Finding:
    saving_ms = scan.saving_in(trace)
    column = scan.column(predicate.columns[0])
    own_type = column.type_name if column else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}.{predicate.columns[0]} is {own_type}, and the value that was sent is a "
            f"Python {sent}: {scan.shown_read} rows are converted to keep {scan.shown_kept}."
        ),
        advice=_advice(scan, predicate, own_type),
        refutation=(
            "Refuted if the values have fractions that matter, or if the statement is as slow with a value "
            "of the column's own type."
        ),
        confidence=_SURE if _is_indexed(scan, predicate) else _LIKELY,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=(*scan.evidence, f"Types of the values: {', '.join(scan.plan.parameter_types)}"),
    )


def _advice(scan: WastefulScan, predicate: Predicate, own_type: str) -> str:
    column, operator = predicate.columns[0], predicate.operator
    python = "int(value)" if own_type in _INTEGERS else "Decimal(str(value))"
    many = predicate.value.startswith("ANY")
    value = f"[{python} for value in values]" if many else python
    target = f"ANY (CAST(:values AS {own_type}[]))" if many else f"CAST(:value AS {own_type})"
    lines = [
        f"Send a value of the column's own type, {value}, or cast the value in the statement.",
        f"WHERE {column} {operator} {target}",
    ]
    if not _is_indexed(scan, predicate):
        lines.append(f"CREATE INDEX ON {relation(scan.node)} ({column});")
    return "\n".join(lines)


_FLOAT = "((customers.id)::double precision = ?::double precision)"
_NUMERIC = "((customers.id)::numeric = ?::numeric)"
_MANY = "((customers.id)::double precision = ANY (?::double precision[]))"
_TABLE = known_table({"id": "integer", "shop_id": "integer"}, known_index("id"))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=parameter_type_cast,
    fires_on=(
        plan_trace(filtering(_FLOAT), _TABLE, parameter_types=("float",)),
        plan_trace(filtering(_NUMERIC), _TABLE, parameter_types=("str", "decimal.Decimal")),
        plan_trace(filtering(_MANY), _TABLE, parameter_types=("list",)),
        # The index on the column is there, whatever the other condition is.
        plan_trace(
            filtering(f"((customers.shop_id = 3) AND {_FLOAT})"), _TABLE, parameter_types=("numpy.float64",)
        ),
        plan_trace(
            filtering("((customers.price)::double precision = ?::double precision)"),
            known_table({"price": "numeric(10,2)"}),
            parameter_types=("float",),
        ),
        # The LIMIT got its rows at the end of the table.
        plan_trace(
            node("Limit", filtering(_FLOAT, rows=10), ms=40, rows=10), _TABLE, parameter_types=("float",)
        ),
    ),
    silent_on=(
        # Nobody knows what was sent, or what the column is.
        plan_trace(filtering(_FLOAT), _TABLE),
        plan_trace(filtering(_FLOAT), parameter_types=("float",)),
        # The text of the statement asks for the cast.
        plan_trace(filtering(_NUMERIC), _TABLE, parameter_types=("int",)),
        # The column is of the value's type.
        plan_trace(
            filtering("(customers.id = ?::double precision)"),
            known_table({"id": "double precision"}),
            parameter_types=("float",),
        ),
        # A column of text is cast by the statement itself.
        plan_trace(
            filtering("((customers.number)::numeric = ?::numeric)"),
            known_table({"number": "text"}),
            parameter_types=("decimal.Decimal",),
        ),
        # Most rows match.
        plan_trace(filtering(_FLOAT, rows=200_000, removed=100_000), _TABLE, parameter_types=("float",)),
        # Few rows.
        plan_trace(filtering(_FLOAT, removed=900), _TABLE, parameter_types=("float",)),
        # A LIMIT stopped it before it had read much.
        plan_trace(
            node("Limit", filtering(_FLOAT, rows=10, removed=9_000, ms=2), ms=2, rows=10),
            _TABLE,
            parameter_types=("float",),
        ),
    ),
)
