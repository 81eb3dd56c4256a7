"""A CTE is computed whole, and most of its rows are thrown away afterwards.

What it finds
    A scan of a CTE that is used once and of which a filter keeps few rows.

Why is this slow
    A CTE that is MATERIALIZED is a fence: no condition from outside gets in. All its rows are computed and
    stored, on disk if there are many, and then read again to keep a few. Without the fence the condition
    goes down to the table, where an index may serve it. Before PostgreSQL 12 every CTE was a fence.

Example
    WITH recent AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM recent WHERE customer_id = 42
    1,000,000 rows are stored to return 15.

Use instead
    WITH recent AS (SELECT * FROM orders) SELECT * FROM recent WHERE customer_id = 42
    or NOT MATERIALIZED, or a sub-query in FROM. A function that may return something else each time keeps
    the fence up, as does FOR UPDATE: put the condition into the CTE then.

Thresholds
    min_removed_share (0.9): share of the CTE's rows that the filter throws away (reference notes on
        EXPLAIN, rule 55).
    min_removed_rows (10,000): rows thrown away over all loops.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The CTE is used more than once: then it is computed once for all. It writes, or refers to itself. Many
    of its rows are wanted. The time goes elsewhere, or it never ran.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.scan_builders import plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK232", "cte-fence"
_KEPT_UP = ("ModifyTable", "Recursive Union", "LockRows")
_MATERIALIZED = re.compile(r"(?<!NOT )\bMATERIALIZED\b", re.IGNORECASE)
_WRITTEN, _UNSAID = 0.85, 0.6


def cte_fence(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find CTEs that were computed whole to keep few of their rows.

    Args:
        trace: a block with plans.
        min_removed_share: share of the CTE's rows that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed, kept = scan.total_rows_removed or 0.0, scan.total_rows or 0.0
            if scan.node_type != "CTE Scan" or removed < max(1.0, min_removed_rows):
                continue
            if removed < min_removed_share * (removed + kept) or not _is_needless(plan, scan):
                continue
            if is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan)


def _is_needless(plan: Plan, scan: PlanNode) -> bool:
    """Whether this is the only scan of a CTE that only reads."""
    name = scan.attributes.get("CTE Name")
    scans = [item for item in plan.nodes() if item.attributes.get("CTE Name") == name]
    producer = next((item for item in plan.nodes() if item.subplan_name == f"CTE {name}"), None)
    if producer is None or len(scans) != 1:
        return False
    return not any(item.node_type in _KEPT_UP for item in producer.walk())


def _saving_ms(scan: PlanNode) -> float:
    """Storing and reading what is thrown away; an index below may save more."""
    removed, kept = scan.total_rows_removed or 0.0, scan.total_rows or 0.0
    return (scan.self_time_ms or 0.0) * removed / (removed + kept)


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    rows = about(scan, (scan.total_rows_removed or 0.0) + (scan.total_rows or 0.0))
    name = scan.attributes.get("CTE Name")
    is_written = bool(_MATERIALIZED.search(plan.query_text))
    first = "Leave out MATERIALIZED" if is_written else "Write NOT MATERIALIZED"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"CTE {name}: {rows} rows are computed and stored to keep {about(scan)}.",
        advice=(
            f"{first}, so that the condition gets to the table; where a function that may return something "
            "else each time, or FOR UPDATE, keeps the fence up, put the condition into the CTE.\n"
            f"WITH {name} AS {'' if is_written else 'NOT MATERIALIZED '}(SELECT ...)"
        ),
        refutation=(
            "Refuted if the plan stays the same, or if the fence is there on purpose, to keep the planner "
            "from a worse plan."
        ),
        confidence=_WRITTEN if is_written else _UNSAID,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"Filter: {scan.attributes.get('Filter')}",),
    )


def _scan(*, rows: float = 15, removed: float = 299_985, ms: float = 70, name: str = "recent") -> PlanNode:
    return node(
        "CTE Scan", ms=ms, rows=rows, rows_removed_by_filter=removed, CTE_Name=name,
        Filter="(recent.customer_id = 42)",
    )  # fmt: skip


def _with(*scans: PlanNode, producer: str = "Seq Scan", ms: float = 75) -> PlanNode:
    made = node(
        producer,
        ms=20,
        rows=300_000,
        relation_name="orders",
        subplan_name="CTE recent",
        parent_relationship="InitPlan",
    )
    return node("Append", made, *scans, ms=ms)


_WRITTEN_TEXT = (
    "WITH recent AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM recent WHERE customer_id = 42"
)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=cte_fence,
    fires_on=(
        plan_trace(_with(_scan()), query_text=_WRITTEN_TEXT),
        planned_trace(_with(_scan())),
    ),
    silent_on=(
        # Computed once for two.
        planned_trace(_with(_scan(), _scan(), ms=150)),
        # Many of its rows are wanted.
        planned_trace(_with(_scan(rows=200_000, removed=100_000))),
        # It writes, locks, or refers to itself.
        planned_trace(_with(_scan(), producer="ModifyTable")),
        planned_trace(_with(_scan(), producer="LockRows")),
        planned_trace(_with(_scan(), producer="Recursive Union")),
        # Few rows.
        planned_trace(_with(_scan(removed=900))),
        # The time goes elsewhere.
        planned_trace(_with(_scan(ms=21), ms=4_000)),
    ),
)
