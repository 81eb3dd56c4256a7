"""Two indexes are read and their results intersected, where one index on both columns would do.

What it finds
    A BitmapAnd whose parts name at least ten times as many rows as are left after it.

Why is this slow
    Each index is read for all rows that fit its own column, most of which the other one strikes out again.
    One index on both columns is read for the rows that are wanted and no others.

Example
    SELECT * FROM orders WHERE tenant_id = 7 AND product_id = 11
    with one index on each: 20,000 and 6,000 entries are read for 40 rows.

Use instead
    CREATE INDEX ON orders (tenant_id, product_id);
    One of the two that exist may then be dropped: the one that the new index begins with.

Thresholds
    min_inputs (2): indexes that are intersected.
    min_factor (10): entries read for each row that is left.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The parts name few more rows than are left. OR joins the indexes, of which both are needed then. The
    conditions are none for an index on plain columns, such as those of GIN. It takes no time. The rows of a
    BitmapAnd are never judged: PostgreSQL always reports none.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_for_arms
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import BITMAP_SCAN, index_arms, index_scans, rows_read
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK211", "bitmap-and"


def bitmap_and(trace: Trace, *, min_inputs: int = 2, min_factor: float = 10.0) -> Iterator[Finding]:
    """Find indexes that are intersected at great length.

    Args:
        trace: a block with plans.
        min_inputs: indexes that are intersected.
        min_factor: entries read for each row that is left.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            both = scan.children[0] if scan.node_type == BITMAP_SCAN and scan.children else None
            if both is None or both.node_type != "BitmapAnd" or not scan.executed:
                continue
            entries, left = _entries(scan), max(1.0, rows_read(scan))
            if len(both.children) < min_inputs or entries < min_factor * left:
                continue
            candidate = _candidate(scan)
            if candidate is not None and is_worth_a_line(_saving_ms(scan, both), duration_ms):
                yield _finding(trace, number, plan, scan, candidate)


def _entries(scan: PlanNode) -> float:
    return sum(part.total_rows or 0.0 for part in index_scans(scan))


def _saving_ms(scan: PlanNode, both: PlanNode) -> float:
    """Reading the indexes, but for what one index would still be read for."""
    return (both.total_time_ms or 0.0) * (1 - rows_read(scan) / max(1.0, _entries(scan)))


def _candidate(scan: PlanNode) -> IndexCandidate | None:
    """One index on what both were asked; `None` where it could hold one of the columns only."""
    candidate = index_for_arms(scan, tuple(arm for arm in index_arms(scan) if arm.column))
    return candidate if candidate is not None and len(candidate.columns) > 1 else None


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, candidate: IndexCandidate) -> Finding:
    both = scan.children[0]
    saving_ms = saving_in_block(_saving_ms(scan, both), plan, trace)
    names = " and ".join(dict.fromkeys(part.index_name or "?" for part in index_scans(scan)))
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {about(scan, _entries(scan))} entries of {names} are intersected to find "
            f"{about(scan, rows_read(scan), 'row')}."
        ),
        advice=(
            "One index on all of these columns is read for the wanted rows alone. It is suggested, not "
            "proved. An index that it begins with is needed no more, unless it enforces uniqueness."
            f"\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the columns are asked for "
            "together so rarely that another index costs more on writes than it spares."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(both.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            *(
                f"{part.index_name}: {about(part, None, 'entry', 'entries')} for "
                f"{part.attributes.get('Index Cond')}"
                for part in index_scans(scan)
            ),
            f"Both indexes took {both.total_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _part(column: str, rows: float, condition: str = "") -> PlanNode:
    said: dict[str, Any] = {"Index_Cond": condition or f"(orders.{column} = 7)"}
    return node("Bitmap Index Scan", ms=2, rows=rows, index_name=f"orders_{column}", **said)


def _scan(*parts: PlanNode, rows: float = 40, kind: str = "BitmapAnd", ms: float = 5) -> PlanNode:
    return node(BITMAP_SCAN, node(kind, *parts, ms=4.2, rows=0), ms=ms, rows=rows, relation_name="orders")


_TENANT, _PRODUCT = _part("tenant_id", 20_000), _part("product_id", 6_000)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=bitmap_and,
    fires_on=(
        planned_trace(_scan(_TENANT, _PRODUCT)),
        planned_trace(_scan(_TENANT, _part("created_at", 9_000, "(orders.created_at > '2025-01-01'::date)"))),
    ),
    silent_on=(
        # Most of what the indexes name is wanted.
        planned_trace(_scan(_TENANT, _PRODUCT, rows=4_000)),
        # OR needs both.
        planned_trace(_scan(_TENANT, _PRODUCT, kind="BitmapOr")),
        # No condition for an index on plain columns.
        planned_trace(_scan(_TENANT, _part("tags", 6_000, "(orders.tags @> '{a}'::text[])"))),
        # Two ranges: one index narrows by one of them.
        planned_trace(
            _scan(
                _part("amount", 9_000, "(orders.amount > 3)"), _part("weight", 9_000, "(orders.weight > 3)")
            )
        ),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(_TENANT, _PRODUCT), ms=900)),
    ),
)
