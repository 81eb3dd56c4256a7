"""The planner expected far fewer or far more rows than there were.

What it finds
    The deepest nodes of a plan at which the expected and the real number of rows differ by a factor of ten
    or more. What is wrong above them follows from them.

Why is this slow
    The planner chooses between joins, indexes and the memory of a sort by the number of rows that it
    expects. Where it expects one row and a thousand come, it runs a nested loop a thousand times instead
    of hashing once. The statement may be fast on today's data and fall over on tomorrow's.

Example
    SELECT * FROM addresses WHERE city = 'Springfield' AND zip = '62701'
    The planner multiplies both shares as if city and zip had nothing to do with each other: it expects
    one row where 93 come.

Use instead
    ANALYZE addresses;
    if the table changed much since its statistics were taken. If the estimate stays wrong, for columns
    that depend on each other:
    CREATE STATISTICS addresses_city_zip (dependencies) ON city, zip FROM addresses; ANALYZE addresses;
    For one skewed column: ALTER TABLE … ALTER COLUMN … SET STATISTICS 1000; then ANALYZE.

Thresholds
    min_factor (10): how many times too few or too many rows were expected; pgMustard, pev2 and depesz all
        mark ten.
    min_difference (1,000): rows, over all loops, between the two. It does not apply where the rows feed a
        nested loop, which runs its inner side once for each.
    min_rows (10): below that on both sides a factor is chance.

Stays silent when
    The node never ran. A LIMIT, a semi-join, a merge join or a sub-query that wants one row stopped it
    early: the estimate is for all rows. BitmapAnd and BitmapOr, for which PostgreSQL reports no rows.
    Changes of a table, functions and recursive queries, for which it can only guess. The node and what
    uses its rows take less than 1 ms or 2 % of the execution.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding, Severity
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, table_name
from perfkit.model.plan_shape import cut_short, feeds_nested_loop
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK202", "row-misestimate"
# They return no rows of their own, or nobody can know how many.
_UNKNOWABLE = frozenset(
    {
        "BitmapAnd", "BitmapOr", "ModifyTable", "Function Scan", "Table Function Scan", "ProjectSet",
        "Recursive Union", "WorkTable Scan", "Foreign Scan", "Memoize",
    }
)  # fmt: skip
# A nested loop that takes a third of the time and ran its inner side a thousand times is where a wrong
# estimate hurts (reference notes on EXPLAIN, rule 34).
_LOOP_ROWS, _LOOP_SHARE = 1000, 0.3


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
    for number, plan, duration_ms in measured_plans(trace):
        early = cut_short(plan)
        wrong = {
            item.node_id: item
            for item in plan.nodes()
            if item.node_id not in early
            and _is_wrong(item, min_factor, min_rows)
            and (_difference(item) >= min_difference or feeds_nested_loop(plan, item))
        }
        for item in wrong.values():
            below = (child.node_id for child in item.walk() if child is not item)
            if not any(child in wrong for child in below) and is_worth_a_line(
                _at_stake(plan, item), duration_ms
            ):
                yield _finding(number, plan, item)


def _is_wrong(item: PlanNode, min_factor: float, min_rows: float) -> bool:
    if item.node_type in _UNKNOWABLE or (item.node_type == "CTE Scan" and "Filter" not in item.attributes):
        return False
    larger = max(item.actual_rows or 0.0, item.plan_rows or 0.0)
    return larger >= min_rows and (item.row_estimate_factor or 0.0) >= min_factor


def _difference(item: PlanNode) -> float:
    return abs((item.actual_rows or 0.0) - (item.plan_rows or 0.0)) * (item.actual_loops or 0)


def _at_stake(plan: Plan, item: PlanNode) -> float:
    """The time of the node that uses these rows, chosen by the estimate: milliseconds."""
    above = plan.parents.get(item.node_id, item)
    return above.total_time_ms or 0.0


def _finding(number: int, plan: Plan, item: PlanNode) -> Finding:
    expected, actual = item.plan_rows or 0.0, item.actual_rows or 0.0
    direction = "more" if actual > expected else "fewer"
    each = " a loop" if (item.actual_loops or 0) > 1 else ""
    times = f"{item.row_estimate_factor or 0.0:,.0f} times {direction} rows than expected"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=_severity(plan, item),
        message=f"{table_name(item)}: {times} ({actual:,.0f} instead of {expected:,.0f}{each}).",
        advice=_advice(item),
        refutation=(
            "Refuted if the plan stays the same with a right estimate. What it would save cannot be said "
            "before the planner has chosen again."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        evidence=_evidence(plan, item),
    )


def _severity(plan: Plan, item: PlanNode) -> Severity:
    loop = feeds_nested_loop(plan, item)
    inner = loop.children[1] if loop is not None and len(loop.children) > 1 else None
    if loop is None or inner is None or (inner.actual_loops or 0) < _LOOP_ROWS:
        return "info"
    return "worth it" if (loop.total_time_ms or 0.0) >= _LOOP_SHARE * (plan.duration_ms or 0.0) else "info"


def _advice(item: PlanNode) -> str:
    tables = dict.fromkeys(relation(scan) for scan in item.walk() if scan.relation_name)
    words = ["Refresh the statistics, then explain the statement again."]
    statements = [f"ANALYZE {table};" for table in tables]
    columns = _dependent_columns(item)
    if columns:
        words.append("If the estimate stays wrong, tell the planner that the columns depend on each other.")
        table, plain = relation(item), [column.strip('"') for column in columns]
        name = quoted("_".join([item.relation_name or "", *plain])[:60])
        statements += [
            f"CREATE STATISTICS {name} (dependencies) ON {', '.join(columns)} FROM {table};",
            f"ANALYZE {table};",
        ]
    return "\n".join([" ".join(words), *statements])


def _dependent_columns(item: PlanNode) -> list[str]:
    """Columns compared for equality where more rows came than independent columns would give."""
    if not item.relation_name or (item.actual_rows or 0.0) <= (item.plan_rows or 0.0):
        return []
    columns = dict.fromkeys(arm.column for arm in filter_arms(item) if arm.kind == "equality" and arm.column)
    return list(columns) if len(columns) > 1 else []


def _evidence(plan: Plan, item: PlanNode) -> tuple[str, ...]:
    found = []
    if item.attributes.get("Filter"):
        found.append(f"Filter: {item.attributes['Filter']}")
    loop = feeds_nested_loop(plan, item)
    if loop is not None:
        found.append(f"Its rows feed a nested loop that took {loop.total_time_ms or 0.0:,.1f} ms.")
    return tuple(found)


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
