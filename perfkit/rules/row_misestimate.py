"""The planner expected far fewer or far more rows than there were.

What it finds
    The deepest nodes of a plan at which the expected and the real number of rows differ by a factor of ten
    or more. What is wrong above them follows from them.

Why is this slow
    The planner chooses between joins, indexes and the memory of a sort by the number of rows that it
    expects. Where it expects one row and a thousand come, it runs a nested loop a thousand times instead
    of hashing once. The statement may be fast on today's data and fall over on tomorrow's.

Example
    SELECT * FROM orders WHERE status = 'open' AND created_at > '2026-01-01'
    Nearly all open orders are new. The planner multiplies both shares as if status and date had nothing to
    do with each other: it expects 75 rows where 1,500 come.

Use instead
    ANALYZE orders;
    if the table changed much since its statistics were taken. For a skewed column, finer statistics:
    ALTER TABLE orders ALTER COLUMN status SET STATISTICS 1000; ANALYZE orders;
    No statistics tell how a range of one column goes with the values of another. Where that is the reason,
    only another statement helps, or a plan that does not hang on the number.

Thresholds
    min_factor (10): how many times too few or too many rows were expected; pgMustard, pev2 and depesz all
        mark ten.
    min_difference (1,000): rows, over all loops, between the two. It does not apply where the rows feed a
        nested loop, which runs its inner side once for each.
    min_rows (10): below that on both sides a factor is chance.

Stays silent when
    The node never ran. A LIMIT, a semi-join, a merge join or a sub-query that wants one row stopped it
    early: the estimate is for all rows. BitmapAnd and BitmapOr, for which PostgreSQL reports no rows.
    Changes of a table, functions and recursive queries, for which it can only guess. A join whose rows are
    the result: nothing was decided by their number. The node and what
    uses its rows take less than 1 ms or 2 % of the execution. Another rule knows why: columns that depend on
    each other, stale statistics, an expression without statistics.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_estimates import (
    estimate_evidence,
    estimate_saving_ms,
    estimate_severity,
    estimate_words,
    wrong_estimates,
)
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.plan_scans import scan_arms
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK202", "row-misestimate"


def row_misestimate(
    trace: Trace, *, min_factor: float = 10.0, min_difference: float = 1000.0, min_rows: float = 10.0
) -> Iterator[Finding]:
    """Find the deepest nodes whose rows were badly estimated.

    Args:
        trace: a block with plans.
        min_factor: how many times too few or too many rows were expected.
        min_difference: difference in rows over all loops.
        min_rows: the larger side, a loop.
    """
    for number, plan, _ in measured_plans(trace):
        wrong = wrong_estimates(plan, min_factor=min_factor, min_difference=min_difference, min_rows=min_rows)
        for item in wrong:
            yield _finding(trace, number, plan, item)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode) -> Finding:
    saving_ms = estimate_saving_ms(plan, item)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=estimate_severity(plan, item),
        message=estimate_words(item),
        advice=_advice(item),
        refutation=(
            "Refuted if the plan stays the same with a right estimate. What it would save is sure only when "
            "the planner has chosen again."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=None if saving_ms is None else saving_in_block(saving_ms, plan, trace),
        evidence=estimate_evidence(plan, item),
    )


def _advice(item: PlanNode) -> str:
    columns = list(dict.fromkeys(arm.column for arm in scan_arms(item) if arm.column))
    words = "Refresh the statistics, then explain the statement again."
    statements = [f"ANALYZE {name};" for name in dict.fromkeys(map(relation, _scans(item)))]
    if len(columns) == 1:
        words += " If the estimate stays wrong, collect finer statistics of the column."
        statements += [
            f"ALTER TABLE {relation(item)} ALTER COLUMN {columns[0]} SET STATISTICS 1000;",
            f"ANALYZE {relation(item)};",
        ]
    elif columns:
        words += (
            f" If the estimate stays wrong, the conditions on {' and '.join(columns)} go together, which the "
            "planner does not know: no statistics tell it how a range depends on another column."
        )
    return "\n".join([words, *statements])


def _scans(item: PlanNode) -> Iterator[PlanNode]:
    return (scan for scan in item.walk() if scan.relation_name)


_WRONG = node(
    "Seq Scan", ms=40, rows=20_000, planned=40, relation_name="addresses",
    Filter="((addresses.city = 'Springfield'::text) AND (addresses.zip = '62701'::text))",
)  # fmt: skip
_PROBE = node("Index Scan", ms=0.01, rows=1, loops=20_000, relation_name="people")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=row_misestimate,
    yields_to=(
        "correlated-columns",
        "stale-statistics",
        "default-selectivity",
        "nested-loop-misestimate",
        "function-on-column",
        "cast-on-column",
        "parameter-type-cast",
        "json-predicate",
    ),
    fires_on=(
        planned_trace(node("Nested Loop", _WRONG, _PROBE, ms=260, rows=20_000, planned=40)),
        planned_trace(node("Sort", _WRONG, ms=60, rows=20_000, planned=40)),
        # Far too many expected.
        planned_trace(node("Index Scan", ms=30, rows=20, planned=50_000, relation_name="orders")),
    ),
    silent_on=(
        # Half as many: nothing that changes a plan.
        planned_trace(node("Seq Scan", ms=40, rows=20_000, planned=11_000, relation_name="orders")),
        # Stopped by a LIMIT.
        planned_trace(node("Limit", node("Seq Scan", ms=40, rows=10, planned=90_000), ms=40, rows=10)),
        # A merge join ends with its shorter side.
        planned_trace(
            node(
                "Merge Join",
                node("Index Scan", ms=5, rows=1_001, planned=1_000_000, relation_name="orders"),
                node("Index Scan", ms=5, rows=1_000, relation_name="users"),
                ms=12,
                rows=1_000,
            )
        ),
        # Never executed.
        planned_trace(node("Append", node("Seq Scan", loops=0, rows=0, planned=90_000), ms=40)),
        # PostgreSQL reports no rows for it.
        planned_trace(node("Bitmap Heap Scan", node("BitmapAnd", ms=9, rows=0, planned=90_000), ms=40)),
        # Too fast to matter.
        planned_trace(node("Seq Scan", ms=0.4, rows=2_000, planned=10, relation_name="tags")),
        # Nobody can know what a function returns.
        planned_trace(node("Function Scan", ms=40, rows=100_000, planned=1_000)),
    ),
)
