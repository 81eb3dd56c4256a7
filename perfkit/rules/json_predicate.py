"""A filter looks inside a document or an array, and no index knows what is in there.

What it finds
    A scan that reads many rows to keep few, because its filter takes a value out of a JSON document
    (`doc ->> 'status' = 'paid'`), or asks what a document or an array contains (`@>`, `= ANY (tags)`).

Why is this slow
    The value lies inside the column: every document is read, often from another place than its row, taken
    apart and compared. An index on the whole column is no help.

Example
    SELECT * FROM events WHERE data ->> 'kind' = 'refund'
    takes 300,000 documents apart to find 40: 15 ms, 0.04 ms with an index.

Use instead
    CREATE INDEX ON events ((data ->> 'kind'));
    ANALYZE events;
    for one value that is compared. For `@>` and paths, one index serves all keys:
    CREATE INDEX ON events USING gin (data jsonb_path_ops); and `?`, `?|`, `?&` need the larger one without
    jsonb_path_ops. An array is asked with tags @> ARRAY['new'] and an index USING gin (tags); no index
    serves 'new' = ANY (tags). What is compared in every statement deserves a column of its own.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    An index that serves the condition exists. The operator is one that no index serves, such as `<@` for
    documents, or belongs to ranges or full-text search. The filter also compares a plain column of ten
    values or more for equality. Many rows are wanted, or few are read, as before an early LIMIT.
"""

import re
from collections.abc import Iterator

from perfkit.model.catalog import Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, index_led_by, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK225", "json-predicate"
_COMPARISONS = ("=", "<", "<=", ">", ">=")
# Operators of jsonb that each operator class of GIN serves (PostgreSQL's documentation, table 65.3).
_PATH_OPERATORS = ("@>", "@?", "@@")
_KEY_OPERATORS = ("?", "?|", "?&")
_ARRAY_OPERATORS = ("@>", "&&")
# How text becomes one of these depends on settings of the session, so that no index can be made of it.
_UNSTABLE = re.compile(r"\)::(?:date|time|timestamp|interval)\b")
_CONFIDENCE = 0.8


def json_predicate(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans that look into the document or the array of every row.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        for predicate in scan.predicates:
            advice = None if scan.has_plain_remedy else _advice(scan, predicate)
            if advice:
                yield _finding(trace, scan, predicate, advice)
                break


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate, advice: str) -> Finding:
    saving_ms = scan.saving_in(trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}.{predicate.columns[0]} is taken apart in each of "
            f"{scan.shown_read} rows to keep {scan.shown_kept}."
        ),
        advice=advice,
        refutation=(
            "Refuted if the plan stays the same with the index in place and the table analysed, or if the "
            "other conditions alone leave so few rows."
        ),
        confidence=_CONFIDENCE,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


def _advice(scan: WastefulScan, predicate: Predicate) -> str | None:
    """What to do, `None` where this is no such condition, or an index that serves it is there."""
    if predicate.kind == "json" and predicate.operator in _COMPARISONS:
        return _path_advice(scan, predicate)
    if predicate.kind == "member" and predicate.expression in predicate.columns:
        return _member_advice(scan, predicate)
    if predicate.kind != "contains" or _has_gin(scan.table, predicate):
        return None
    if _holds_documents(scan, predicate):
        opclass = " jsonb_path_ops" if predicate.operator in _PATH_OPERATORS else ""
        return _gin(scan, predicate, opclass, "An index of what the documents contain serves all keys.")
    is_array = _holds_array(scan, predicate) and predicate.operator in _ARRAY_OPERATORS
    return _gin(scan, predicate, "", "An index of the elements serves this.") if is_array else None


def _path_advice(scan: WastefulScan, predicate: Predicate) -> str | None:
    if index_led_by(scan.table, predicate.expression) is not None:
        return None
    if not predicate.is_fixed:
        column, table = predicate.columns[0], relation(scan.node)
        return (
            "The key is bound like a value, so an index of it does not serve once the statement is prepared. "
            "Write the key into the text of the statement and make an index of the expression, or ask what "
            "the document contains, for which one index serves all keys.\n"
            f"WHERE {column} @> jsonb_build_object(:key, :value)\n"
            f"CREATE INDEX ON {table} USING gin ({column} jsonb_path_ops);"
        )
    if _UNSTABLE.search(predicate.expression):
        return (
            "No index can be made of a date that is taken out of a document: how it is read depends on "
            "settings of the session. Keep it in a column of its own, with an index."
        )
    return (
        "An index of this value leads straight to the rows; the ANALYZE after it tells the planner how many "
        "they are. It is suggested, not proved.\n"
        f"CREATE INDEX ON {relation(scan.node)} ({predicate.index_key});\nANALYZE {relation(scan.node)};"
    )


def _member_advice(scan: WastefulScan, predicate: Predicate) -> str:
    column = predicate.columns[0]
    words = "No index serves ANY (column). Ask what the array contains, and make an index of the elements."
    statement = f"CREATE INDEX ON {relation(scan.node)} USING gin ({column});"
    if _has_gin(scan.table, predicate):
        statement = "-- The index of the elements is there already."
    return f"{words}\nWHERE {column} @> ARRAY[:value]\n{statement}"


def _gin(scan: WastefulScan, predicate: Predicate, opclass: str, words: str) -> str:
    statement = f"CREATE INDEX ON {relation(scan.node)} USING gin ({predicate.index_key}{opclass});"
    return f"{words} It is suggested, not proved.\n{statement}"


def _holds_documents(scan: WastefulScan, predicate: Predicate) -> bool:
    if predicate.operator not in (*_PATH_OPERATORS, *_KEY_OPERATORS):
        return False
    return _type_of(scan, predicate) == "jsonb" or predicate.value.endswith(("::jsonb", "::jsonpath"))


def _holds_array(scan: WastefulScan, predicate: Predicate) -> bool:
    return _type_of(scan, predicate).endswith("[]") or predicate.value.endswith("[]")


def _type_of(scan: WastefulScan, predicate: Predicate) -> str:
    column = scan.column(predicate.columns[0])
    return column.type_name if column else ""


def _has_gin(table: Table | None, predicate: Predicate) -> bool:
    index = index_led_by(table, predicate.expression)
    if index is None or index.method not in ("gin", "gist"):
        return False
    return predicate.operator not in _KEY_OPERATORS or "jsonb_path_ops" not in index.opclasses


_PATH = "((customers.doc ->> 'kind'::text) = ?::text)"
_CONTAINS = "(customers.doc @> ?::jsonb)"
_MEMBER = "('new'::text = ANY (customers.tags))"
_TYPES = {"doc": "jsonb", "tags": "text[]"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=json_predicate,
    yields_to=("parameter-type-cast", "cast-on-column", "function-on-column"),
    fires_on=(
        planned_trace(filtering(_PATH)),
        planned_trace(filtering("(((customers.doc ->> 'total'::text))::integer > 900)")),
        # The key was bound like a value.
        planned_trace(filtering("((customers.doc ->> ?::text) = ?::text)")),
        planned_trace(filtering(_CONTAINS)),
        # The index of paths does not know the keys.
        plan_trace(
            filtering("(customers.doc ? 'kind'::text)"),
            known_table(_TYPES, known_index("doc", opclass="jsonb_path_ops", method="gin")),
        ),
        planned_trace(filtering("(customers.tags && '{new}'::text[])")),
        # The index is there, and the condition is written so that it cannot serve.
        plan_trace(filtering(_MEMBER), known_table(_TYPES, known_index("tags", method="gin"))),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_PATH, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # The indexes are there.
        plan_trace(filtering(_PATH), known_table(_TYPES, known_index("((doc ->> 'kind'::text))"))),
        plan_trace(
            filtering(_CONTAINS),
            known_table(_TYPES, known_index("doc", opclass="jsonb_path_ops", method="gin")),
        ),
        # No index serves these.
        planned_trace(filtering("(customers.doc <@ ?::jsonb)")),
        planned_trace(filtering("((customers.doc ->> 'kind'::text) <> 'x'::text)")),
        # Ranges and full-text search are other matters.
        planned_trace(filtering("(customers.period @> '2025-01-01'::date)")),
        planned_trace(filtering("(customers.words @@ '''lamp'''::tsquery)")),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.shop_id = 3) AND {_PATH})")),
        # Few rows, or many that match.
        planned_trace(filtering(_PATH, removed=900)),
        planned_trace(filtering(_PATH, rows=200_000, removed=100_000)),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_PATH, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)
