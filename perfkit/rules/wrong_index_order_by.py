"""An index is read in the order of ORDER BY until a LIMIT has its rows, and hardly any row fits.

What it finds
    A scan of an index from its end, without a condition, below a LIMIT: chosen for the order, while the
    filter throws away at least a hundred rows for each that it keeps.

Why is this slow
    The planner takes it that matching rows lie evenly along the order, so that a few steps bring the ten that
    are wanted. Where they are rare or lie at the far end, most of the table is fetched, row by row, at
    random places.

Example
    SELECT * FROM orders WHERE status = 'refunded' ORDER BY created_at DESC LIMIT 10
    with an index on (created_at): 997,999 rows are fetched for 10.

Use instead
    CREATE INDEX ON orders (status, created_at);
    which leads to the matching rows and has them in order. Where an index on the filter's column exists and
    none may be added: ORDER BY created_at + interval '0' keeps the planner from the other one.

Thresholds
    min_removed_factor (100): rows thrown away for each row that is kept. Below that, walking in order is what
        LIMIT is for.
    min_removed_rows (1,000): rows thrown away over all loops.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The LIMIT had its rows after a few steps. There is no LIMIT, or a sort stands below it. The index was
    searched by a condition. The filter holds a condition that no index on plain columns could answer, and it
    may be that one which removes the rows.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_for_arms
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import (
    has_index_led_by,
    index_order,
    is_filter_indexable,
    is_whole_index,
    limit_above,
    removed_share,
    rows_read,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK206", "wrong-index-order-by"
_TIMES = ("timestamp", "date")
_NUMBERS = ("integer", "bigint", "smallint", "numeric", "real", "double precision")


def wrong_index_order_by(
    trace: Trace, *, min_removed_factor: float = 100.0, min_removed_rows: float = 1000
) -> Iterator[Finding]:
    """Find LIMITs whose index has the right order and the wrong rows.

    Args:
        trace: a block with plans.
        min_removed_factor: rows thrown away for each row that is kept.
        min_removed_rows: rows thrown away over all loops.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed = scan.total_rows_removed or 0.0
            wanted = max(1.0, min_removed_rows, min_removed_factor * (scan.total_rows or 0.0))
            if not is_whole_index(scan) or removed < wanted or limit_above(plan, scan) is None:
                continue
            candidate = _candidate(plan, scan)
            if candidate is not None and is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan, candidate)


def _candidate(plan: Plan, scan: PlanNode) -> IndexCandidate | None:
    if not is_filter_indexable(plan, scan):
        return None
    return index_for_arms(scan, filter_arms(scan), index_order(plan, scan))


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * removed_share(scan)


def _stop_gap(plan: Plan, scan: PlanNode) -> str:
    """How to keep the planner from this index, where another one serves the filter."""
    table, order = plan.table_of(scan), index_order(plan, scan)
    served = any(arm.column and has_index_led_by(table, (arm.column,)) for arm in filter_arms(scan))
    column = table.column(order[0].column.strip('"')) if table is not None and order else None
    if not served or column is None:
        return ""
    name = order[0].column
    if column.type_name.startswith(_TIMES):
        return f" Until then, ORDER BY {name} + interval '0' lets the index on the filter's column be used."
    if column.type_name.startswith(_NUMBERS):
        return f" Until then, ORDER BY {name} + 0 lets the index on the filter's column be used."
    return ""


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, candidate: IndexCandidate) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    order = "" if index_order(plan, scan) else " Add the columns of ORDER BY after those of equality."
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {about(scan, rows_read(scan))} rows are read in the order of "
            f"{scan.index_name} to find {about(scan)} for the LIMIT."
        ),
        advice=(
            "An index on the filter's columns and then on those of ORDER BY has the wanted rows together and "
            f"in order. It is suggested, not proved.{order}{_stop_gap(plan, scan)}\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if usually a few steps along the "
            "order bring enough rows and only these parameters are so rare."
        ),
        confidence=0.6 if candidate.has_cast else 0.85,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Filter: {scan.attributes.get('Filter')}",
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(filter_: str = "(orders.status = 'refunded'::text)", **said: Any) -> PlanNode:
    defaults: dict[str, Any] = {
        "ms": 80, "rows": 10, "relation_name": "orders", "index_name": "orders_created_at",
        "rows_removed_by_filter": 250_000, "Filter": filter_, "Scan_Direction": "Backward",
    }  # fmt: skip
    return node("Index Scan", **{**defaults, **said})


def _limit(child: PlanNode) -> PlanNode:
    return node("Limit", child, ms=80, rows=10)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=wrong_index_order_by,
    yields_to=("large-offset",),
    fires_on=(
        planned_trace(_limit(_scan())),
        # What min() and max() make of a column that may be empty.
        planned_trace(_limit(_scan(rows=1, Index_Cond="(orders.created_at IS NOT NULL)"))),
        # Another table is looked up for each row on the way.
        planned_trace(
            _limit(node("Nested Loop", _scan(), node("Index Scan", ms=0.01, loops=10), ms=80, rows=10))
        ),
    ),
    silent_on=(
        # A few steps were enough.
        planned_trace(_limit(_scan(rows_removed_by_filter=200, ms=3))),
        # One row in fifty fits: that is what LIMIT is for.
        planned_trace(_limit(_scan(rows=1_000, rows_removed_by_filter=49_000))),
        # No LIMIT stops it.
        planned_trace(_scan()),
        # All rows are sorted before the LIMIT.
        planned_trace(_limit(node("Sort", _scan(), ms=80, rows=10))),
        # The index was searched by a condition.
        planned_trace(_limit(_scan(Index_Cond="(orders.created_at > '2025-01-01'::date)"))),
        # Nothing for an index on plain columns.
        planned_trace(_limit(_scan("(orders.note ~~ '%late%'::text)"))),
    ),
)
