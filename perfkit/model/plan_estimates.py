"""Where the planner's estimates of rows went wrong, and what that led to."""

import re
from collections.abc import Iterator

from perfkit.model.finding import Severity
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_joins import join_sides
from perfkit.model.plan_savings import is_worth_a_line, table_name
from perfkit.model.plan_shape import cut_short, feeds_nested_loop

# They return no rows of their own, or nobody can know how many. What a bitmap of an index got wrong shows in
# the scan of the table above it, which has the table's name.
_UNKNOWABLE = frozenset(
    {
        "BitmapAnd", "BitmapOr", "Bitmap Index Scan", "ModifyTable", "Function Scan", "Table Function Scan",
        "ProjectSet", "Recursive Union", "WorkTable Scan", "Foreign Scan", "Memoize",
    }
)  # fmt: skip
# A nested loop that takes a third of the time and ran its inner side a thousand times is where a wrong
# estimate hurts (reference notes on EXPLAIN, rule 34).
LOOP_ROWS, LOOP_SHARE = 1000, 0.3
_JOINS = frozenset({"Nested Loop", "Hash Join", "Merge Join"})
# They hand on rows one by one, and no choice between them and something else hangs on how many.
_PASSING = frozenset({"Append", "Gather", "Limit", "LockRows", "ModifyTable", "Result", "Subquery Scan"})
_PARTITION = re.compile(r"_\d+$")
# A hash join took 0.00025 ms for each row of both its sides, EXPLAIN's own clock included, in our
# measurements of tables of 20,000 to 300,000 rows on PostgreSQL 18.
HASH_MS_PER_ROW = 0.0003


def wrong_estimates(
    plan: Plan, *, min_factor: float = 10.0, min_difference: float = 1000.0, min_rows: float = 10.0
) -> tuple[PlanNode, ...]:
    """The deepest nodes whose rows were badly estimated; what is wrong above them follows from them.

    Args:
        plan: a measured plan.
        min_factor: how many times too few or too many rows were expected.
        min_difference: difference in rows over all loops. It does not apply where the rows feed a nested
            loop, which runs its inner side once for each.
        min_rows: the larger side, a loop.

    Returns:
        Nodes in reading order, without those that were stopped early, whose rows nobody can know, by whose
        rows nothing was decided, or that take too little time, together with the node that uses their rows,
        to matter. Of the partitions of one table only the worst.
    """
    ignored = cut_short(plan) | _undecided(plan)
    wrong = {
        item.node_id
        for item in plan.nodes()
        if item.node_id not in ignored
        and _is_wrong(item, min_factor, min_rows)
        and (_difference(item) >= min_difference or feeds_nested_loop(plan, item))
    }
    follow = _above(plan, wrong)
    causes = [
        item
        for item in plan.nodes()
        if item.node_id in wrong and item.node_id not in follow and _is_used_long(plan, item)
    ]
    return tuple(_one_of_each_table(plan, causes))


def _above(plan: Plan, wrong: set[int]) -> set[int]:
    """Numbers of all nodes that stand above one of these."""
    found: set[int] = set()
    for node_id in wrong:
        above = plan.parents.get(node_id)
        while above is not None and above.node_id not in found:
            found.add(above.node_id)
            above = plan.parents.get(above.node_id)
    return found


def _one_of_each_table(plan: Plan, causes: list[PlanNode]) -> Iterator[PlanNode]:
    """The partitions of one table have one cause: of them only the worst. Plans call them `events_1`, …"""
    worst: dict[tuple[int, str], PlanNode] = {}
    for item in causes:
        above = plan.parents.get(item.node_id)
        is_part = above is not None and above.node_type in ("Append", "Merge Append")
        stem = _PARTITION.sub("", item.alias or "") if is_part else ""
        key = (above.node_id, stem) if above is not None and stem else (item.node_id, "")
        worst[key] = max(worst.get(key, item), item, key=_difference)
    return (item for item in causes if item in worst.values())


def _undecided(plan: Plan) -> frozenset[int]:
    """Joins and sub-queries from which the rows go out as they are: nothing was decided by their number.

    A scan chose its index by its own number, and an aggregate its strategy, so those are left in.
    """
    found: set[int] = set()
    pending = [plan.root]
    while pending:
        item = pending.pop()
        if item.node_type in _JOINS or item.node_type in _PASSING:
            found.add(item.node_id)
        if item.node_type in _PASSING:
            pending.extend(child for child in item.children if child.parent_relationship != "InitPlan")
    return frozenset(found)


def _is_wrong(item: PlanNode, min_factor: float, min_rows: float) -> bool:
    if item.node_type in _UNKNOWABLE or (item.node_type == "CTE Scan" and "Filter" not in item.attributes):
        return False
    larger = max(item.actual_rows or 0.0, item.plan_rows or 0.0)
    return larger >= min_rows and (item.row_estimate_factor or 0.0) >= min_factor


def _difference(item: PlanNode) -> float:
    return abs((item.actual_rows or 0.0) - (item.plan_rows or 0.0)) * (item.actual_loops or 0)


def _is_used_long(plan: Plan, item: PlanNode) -> bool:
    """Whether the node that uses these rows takes long enough to matter."""
    above = plan.parents.get(item.node_id, item)
    return is_worth_a_line(above.total_time_ms or 0.0, plan.duration_ms or 0.0)


def harmed_loop(plan: Plan, item: PlanNode) -> PlanNode | None:
    """The nested loop that ran a thousand times and took a third of the time for the rows of this node.

    The planner chose it because it expected few rows. `None` where the estimate did no such harm.
    """
    loop = feeds_nested_loop(plan, item)
    sides = join_sides(loop) if loop is not None else None
    if loop is None or sides is None or (sides[1].actual_loops or 0) < LOOP_ROWS:
        return None
    return loop if (loop.total_time_ms or 0.0) >= LOOP_SHARE * (plan.duration_ms or 0.0) else None


def loop_saving_ms(plan: Plan, loop: PlanNode) -> float | None:
    """What hashing one side once would save over looking up the inner table for each row, in milliseconds.

    `None` where the inner side is not one table whose size is known.
    """
    sides = join_sides(loop)
    scans = [node for node in sides[1].walk() if node.relation_name] if sides else []
    table = plan.table_of(scans[0]) if len(scans) == 1 else None
    if sides is None or table is None or table.rows < 0:
        return None
    outer = sides[0]
    looped_ms = (loop.total_time_ms or 0.0) - (outer.total_time_ms or 0.0)
    return max(0.0, looped_ms - (table.rows + (outer.total_rows or 0.0)) * HASH_MS_PER_ROW)


def estimate_saving_ms(plan: Plan, item: PlanNode) -> float | None:
    """What a right estimate would save: the nested loop that it led to, `None` where that is not known."""
    loop = harmed_loop(plan, item)
    return loop_saving_ms(plan, loop) if loop is not None else None


def estimate_severity(plan: Plan, item: PlanNode) -> Severity:
    """`worth it` where a nested loop suffers from the estimate, else `info`: it may harm nothing today."""
    saving_ms = estimate_saving_ms(plan, item)
    if saving_ms is None:
        return "info" if harmed_loop(plan, item) is None else "worth it"
    return "worth it" if is_worth_a_line(saving_ms, plan.duration_ms or 0.0) else "info"


def estimate_words(item: PlanNode) -> str:
    """How wrong the estimate was, for a message."""
    expected, actual = item.plan_rows or 0.0, item.actual_rows or 0.0
    direction = "more" if actual > expected else "fewer"
    each = " a loop" if (item.actual_loops or 0) > 1 else ""
    times = f"{item.row_estimate_factor or 0.0:,.0f} times {direction} rows than expected"
    return f"{table_name(item)}: {times} ({actual:,.0f} instead of {expected:,.0f}{each})."


def estimate_evidence(plan: Plan, item: PlanNode) -> tuple[str, ...]:
    """The conditions of the node, and the nested loop that its rows feed."""
    names = ("Index Cond", "Recheck Cond", "Filter")
    found = [f"{name}: {item.attributes[name]}" for name in names if item.attributes.get(name)]
    loop = feeds_nested_loop(plan, item)
    if loop is not None:
        found.append(f"Its rows feed a nested loop that took {loop.total_time_ms or 0.0:,.1f} ms.")
    return tuple(found)
