"""OR joins conditions on several columns, and not every one of them has an index.

What it finds
    A scan that reads many rows to keep few, because its filter wants the rows that match on one column or
    on another: email = 'a' OR phone = 'b'.

Why is this slow
    An index finds the rows that match one side. The rows that match the other side alone may be anywhere,
    so a single index saves nothing: every row is read. With an index for each side, the planner looks up
    both and joins what it found (BitmapOr).

Example
    SELECT * FROM customers WHERE email = 'ann@example.org' OR phone = '555-1234'
    with an index on email alone: 1,000,000 rows are read to find two.

Use instead
    CREATE INDEX ON customers (email);
    CREATE INDEX ON customers (phone);
    or, where a side is more than one condition, a UNION of two statements, each with its own index.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    Every side has its index already. A side holds what no ordinary index serves: LIKE, `<>`, a sub-query.
    All sides are about one column, which one index serves. The filter also compares a plain column of ten
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
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK226", "or-across-columns"
_COMPARISONS = ("=", "<", "<=", ">", ">=", "IS")
_CONFIDENCE = 0.75


def or_across_columns(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans whose filter wants rows that match on one column or another.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        for predicate in scan.predicates:
            keys = _keys(scan, predicate) if predicate.kind == "or" else ()
            missing = [key for key in keys if index_led_by(scan.table, key) is None]
            if len(keys) > 1 and missing and not scan.has_plain_remedy:
                yield _finding(trace, scan, keys, missing)
                break


def _keys(scan: WastefulScan, predicate: Predicate) -> tuple[str, ...]:
    """What the index for each side begins with; empty where a side cannot have one."""
    keys = [_key(scan, arm) for arm in predicate.arms]
    return tuple(dict.fromkeys(key for key in keys if key)) if all(keys) else ()


def _key(scan: WastefulScan, arm: Predicate) -> str | None:
    if arm.operator not in _COMPARISONS or not arm.is_fixed:
        return None
    key = scan.key_of(arm)
    return key if arm.kind in ("plain", "function", "json") or key in arm.columns else None


def _finding(trace: Trace, scan: WastefulScan, keys: tuple[str, ...], missing: list[str]) -> Finding:
    saving_ms = scan.saving_in(trace)
    statements = [f"CREATE INDEX ON {relation(scan.node)} ({key});" for key in missing]
    if any(not key.replace('"', "").isidentifier() for key in missing):
        statements.append(f"ANALYZE {relation(scan.node)};")
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}: {scan.shown_read} rows are read to keep {scan.shown_kept} "
            f"that match on {' or '.join(keys)}."
        ),
        advice="\n".join(
            [
                "Each side of OR needs an index of its own, which the planner then joins (BitmapOr). "
                "They are suggested, not proved.",
                *statements,
            ]
        ),
        refutation=(
            "Refuted if the plan stays the same with an index for each side in place, because one side alone "
            "matches a large part of the table."
        ),
        confidence=_CONFIDENCE,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


_OR = "((customers.email = ?::text) OR ((customers.phone)::text = ?::text))"
_TYPES = {"email": "text", "phone": "character varying(20)", "city": "text", "id": "integer"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=or_across_columns,
    yields_to=(
        "parameter-type-cast",
        "cast-on-column",
        "function-on-column",
        "json-predicate",
        "like-prefix",
    ),
    fires_on=(
        planned_trace(filtering(_OR)),
        # One of the two is there.
        plan_trace(filtering(_OR), known_table(_TYPES, known_index("email"))),
        planned_trace(filtering("(((customers.a = 1) AND (customers.b = 2)) OR (customers.c IS NULL))")),
        planned_trace(filtering("((lower(customers.email) = ?::text) OR (customers.phone = ?::text))")),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_OR, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # Both are there; that they are not used has another cause.
        plan_trace(filtering(_OR), known_table(_TYPES, known_index("email"), known_index("phone"))),
        # One column: one index.
        planned_trace(filtering("((customers.city = 'Bern'::text) OR (customers.city IS NULL))")),
        # One side cannot be looked up.
        planned_trace(filtering("((customers.email = 'a'::text) OR (customers.name ~~ '%lamp%'::text))")),
        planned_trace(filtering("((customers.email = 'a'::text) OR (customers.city <> 'Bern'::text))")),
        planned_trace(
            filtering("((customers.email = 'a'::text) OR (ANY (customers.id = (hashed SubPlan 1).col1)))")
        ),
        # A number that is cast to text is another matter.
        plan_trace(
            filtering("((customers.email = 'a'::text) OR ((customers.id)::text = 'a'::text))"),
            known_table(_TYPES),
        ),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.shop_id = 3) AND {_OR})")),
        # Few rows, or many that match.
        planned_trace(filtering(_OR, removed=900)),
        planned_trace(filtering(_OR, rows=200_000, removed=100_000)),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_OR, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)
