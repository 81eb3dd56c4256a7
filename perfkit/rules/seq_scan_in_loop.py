"""A whole table is read again for each row of another one.

What it finds
    A sequential scan that runs once for each row of the outer side of a nested loop, or for each row for
    which a sub-query is evaluated.

Why is this slow
    The rows read are those of the one table times those of the other. At ten times the data on both sides
    the statement takes a hundred times as long.

Example
    SELECT c.name, (SELECT sum(i.price) FROM items i WHERE i.customer_id = c.id) FROM customers c
    with no index on items.customer_id: 10 customers, 10 times 1,500,000 items.

Use instead
    CREATE INDEX ON items (customer_id);
    so that each turn reads only its own rows. Where all or most of the outer rows are wanted, read the inner
    table once: aggregate it with GROUP BY and join the result.

Thresholds
    min_rows_read (100,000): rows read over all turns; below that it takes a few milliseconds.
    min_time_share (0.1): the scan's own share of the execution time; depesz starts to colour at 10 %.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The table is read once, and its rows are kept in memory (Materialize) or in a hash. Several processes
    share one scan. The turns want most of the rows. No column of the table is compared for equality with the
    other side, or an index on it exists already. The plan was not measured.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_for_arms
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import Arm, filter_arms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import condition_arms, has_index_led_by, number, repeats, rows_read
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK204", "seq-scan-in-loop"
# An index cannot spare what most turns want anyway.
_MAX_KEPT_SHARE = 0.1


def seq_scan_in_loop(
    trace: Trace, *, min_rows_read: float = 100_000, min_time_share: float = 0.1
) -> Iterator[Finding]:
    """Find scans of a whole table that run once for each row of something else.

    Args:
        trace: a block with plans.
        min_rows_read: rows read over all turns and processes.
        min_time_share: the scan's own share of the execution time, from 0 to 1.
    """
    for position, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            if scan.node_type != "Seq Scan" or repeats(scan) < 2 or rows_read(scan) < max(1.0, min_rows_read):
                continue
            own_ms = scan.self_time_ms or 0.0
            candidate = _candidate(plan, scan)
            saving_ms = own_ms * (1 - _kept_share(plan, scan))
            if candidate is None or own_ms < min_time_share * duration_ms:
                continue
            if _kept_share(plan, scan) <= _MAX_KEPT_SHARE and is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, position, plan, scan, candidate)


def _join_filter(plan: Plan, scan: PlanNode) -> PlanNode | None:
    """The nested loop whose own filter picks from the rows of this scan."""
    parent = plan.parents.get(scan.node_id)
    is_inner = parent is not None and parent.node_type == "Nested Loop"
    return parent if is_inner and scan.parent_relationship == "Inner" else None


def _loop(plan: Plan, scan: PlanNode) -> tuple[int, ...]:
    """The number of the join or of the sub-query that runs the scan again and again."""
    child: PlanNode | None = scan
    while child is not None:
        if child.parent_relationship == "SubPlan":
            return (child.node_id,)
        parent = plan.parents.get(child.node_id)
        if parent is not None and parent.node_type == "Nested Loop" and child.parent_relationship == "Inner":
            return (parent.node_id,)
        child = parent
    return ()


def _kept_share(plan: Plan, scan: PlanNode) -> float:
    kept, join = scan.total_rows or 0.0, _join_filter(plan, scan)
    if join is not None:
        kept -= number(join, "Rows Removed by Join Filter") * (join.actual_loops or 0)
    return max(0.0, kept) / rows_read(scan)


def _candidate(plan: Plan, scan: PlanNode) -> IndexCandidate | None:
    join = _join_filter(plan, scan)
    arms: tuple[Arm, ...] = filter_arms(scan)
    if join is not None:
        arms = (*condition_arms(scan, join.attributes.get("Join Filter")), *arms)
    equal = tuple(arm for arm in arms if arm.kind == "equality" and arm.column)
    candidate = index_for_arms(scan, equal)
    if candidate is None or has_index_led_by(plan.table_of(scan), candidate.columns):
        return None
    return candidate


def _finding(trace: Trace, position: int, plan: Plan, scan: PlanNode, candidate: IndexCandidate) -> Finding:
    own_ms = scan.self_time_ms or 0.0
    saving_ms = saving_in_block(own_ms * (1 - _kept_share(plan, scan)), plan, trace)
    join = _join_filter(plan, scan)
    condition = scan.attributes.get("Filter") if join is None else join.attributes.get("Join Filter")
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)} is read from end to end {repeats(scan):,.0f} times: "
            f"{about(scan, rows_read(scan))} rows in all."
        ),
        advice=(
            "An index on the columns that tie the two sides together lets each turn read only its own rows. "
            "It is suggested, not proved. Where most of the rows are wanted, read the table once instead: "
            f"join it, or aggregate it with GROUP BY and join the result.\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the outer side never has more "
            "than these few rows and the statement is fast enough."
        ),
        confidence=0.85,
        location=plan.call_site,
        offenders=(scan.node_id, *_loop(plan, scan)),
        plan=position,
        saving_ms=saving_ms,
        evidence=(
            f"Condition: {condition}",
            f"The scan itself took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


_TIED = "(items.customer_id = customers.id)"


def _in_sub_query(*, loops: int = 20, removed: float = 49_990) -> PlanNode:
    scan = node(
        "Seq Scan", ms=5, rows=10, loops=loops, relation_name="items", rows_removed_by_filter=removed,
        Filter=_TIED,
    )  # fmt: skip
    inner = node("Aggregate", scan, ms=5.1, loops=loops, parent_relationship="SubPlan")
    return node("Seq Scan", inner, ms=5.1 * loops + 1, rows=loops, relation_name="customers")


def _joined(condition: str, *, removed: float) -> PlanNode:
    outer = node("Seq Scan", ms=1, rows=20, planned=1, relation_name="customers")
    inner = node("Seq Scan", ms=4, rows=50_000, loops=20, relation_name="items")
    said: dict[str, Any] = {"Join_Filter": condition, "Rows_Removed_by_Join_Filter": removed}
    return node("Nested Loop", outer, inner, ms=130, rows=1_000_000 - removed, **said)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=seq_scan_in_loop,
    yields_to=("correlated-subplan",),
    fires_on=(
        planned_trace(_in_sub_query()),
        # The condition is tested by the join itself.
        planned_trace(_joined("(customers.id = items.customer_id)", removed=999_800)),
    ),
    silent_on=(
        # Ten times a small table.
        planned_trace(_in_sub_query(removed=400)),
        # Three processes share one scan.
        planned_trace(
            node(
                "Gather",
                node(
                    "Seq Scan", ms=30, rows=5, loops=3, relation_name="items", rows_removed_by_filter=333_328,
                    Filter="(items.customer_id = 3)",
                ),
                ms=33,
            )
        ),
        # Read once, then kept in memory.
        planned_trace(
            node(
                "Nested Loop",
                node("Seq Scan", ms=1, rows=20, relation_name="customers"),
                node(
                    "Materialize", node("Seq Scan", ms=9, rows=50_000, relation_name="items"), loops=20, ms=4
                ),
                ms=130,
                Join_Filter="(customers.id = items.customer_id)",
                Rows_Removed_by_Join_Filter=999_800,
            )
        ),
        # An inequality, which hardly narrows what is read.
        planned_trace(_joined("(customers.since < items.sold_at)", removed=999_800)),
        # Most of the rows are wanted.
        planned_trace(_joined("(customers.id = items.customer_id)", removed=200_000)),
    ),
)  # fmt: skip
