"""What else is worth trying for a plan: fresh statistics, dependent columns, memory for a sort."""

import math
import secrets
from collections.abc import Iterator, Mapping

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_shape import cut_short, feeds_nested_loop
from perfkit.proof._what_if_catalog import qualified
from perfkit.proof._what_if_conditions import column_arms, expressions
from perfkit.proof._what_if_designs import Design

# The same as the rule about misestimates (reference notes on EXPLAIN, rule 39: depesz and pev2 mark ten).
MIN_FACTOR, MIN_DIFFERENCE, MIN_ROWS = 10.0, 1000.0, 10.0
# A sort in memory needs two to three times what it takes on disk (reference notes, rule 27).
MEMORY_FACTOR = 3
# More than that for each sort of each statement is a decision about the whole server.
MAX_WORK_MEM_MB = 1024
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")


def statistics_designs(plan: Plan) -> Iterator[Design]:
    """ANALYZE, and statistics on columns that depend on each other, for scans that were badly estimated."""
    early = cut_short(plan)
    for scan in plan.nodes():
        if scan.relation_name and scan.node_id not in early and _is_wrong(plan, scan):
            yield from _statistics(scan)


def _is_wrong(plan: Plan, scan: PlanNode) -> bool:
    actual, planned = scan.actual_rows or 0.0, scan.plan_rows or 0.0
    if max(actual, planned) < MIN_ROWS or (scan.row_estimate_factor or 0.0) < MIN_FACTOR:
        return False
    difference = abs(actual - planned) * (scan.actual_loops or 0)
    return difference >= MIN_DIFFERENCE or feeds_nested_loop(plan, scan) is not None


def _statistics(scan: PlanNode) -> Iterator[Design]:
    table, nodes = qualified(scan), (scan.node_id,)
    shown = table.removeprefix("public.")
    arms = column_arms(scan, *_CONDITIONS)
    columns = [arm.column for arm in arms if arm.column]
    columns += [name for item in expressions(scan) for name in item.columns]
    columns = list(dict.fromkeys(columns))
    # With columns named, ANALYZE leaves the counters alone by which autovacuum decides when to come.
    analyze = f"ANALYZE {table} ({', '.join(columns)})" if columns else f"ANALYZE {table}"
    what = f"fresh statistics of {shown}"
    yield Design("statistics", what, (analyze,), f"ANALYZE {shown};", scan, nodes, shown)
    equal = list(dict.fromkeys(arm.column for arm in arms if arm.kind == "equality" and arm.column))
    if len(equal) > 1 and (scan.actual_rows or 0.0) > (scan.plan_rows or 0.0):
        listed = ", ".join(equal)
        name = f"perfkit_what_if_{secrets.token_hex(4)}"
        create = f"CREATE STATISTICS {name} (dependencies) ON {listed} FROM {table}"
        # PostgreSQL 16 can name statistics itself; older ones need a name, so one is given.
        own = "_".join([scan.relation_name or "", *(column.strip('"') for column in equal), "stats"])[:63]
        quoted_own = '"' + own.replace('"', '""') + '"'
        paste = f"CREATE STATISTICS {quoted_own} (dependencies) ON {listed} FROM {shown};\nANALYZE {shown};"
        what = f"statistics on dependent columns of {shown} ({listed})"
        yield Design("statistics", what, (create, analyze), paste, scan, nodes, shown)


def memory_designs(plan: Plan) -> Iterator[Design]:
    """Enough `work_mem` for the largest sort that went through the disk."""
    spilled = [(disk_kb, node) for node in plan.nodes() if (disk_kb := _disk_kb(node)) > 0]
    if not spilled:
        return
    disk_kb, sort = max(spilled, key=lambda item: item[0])
    needed_mb = 2 ** math.ceil(math.log2(max(1.0, disk_kb * MEMORY_FACTOR / 1024)))
    statement = f"SET LOCAL work_mem = '{needed_mb}MB'"
    too_much = (
        f"The sort would need about {needed_mb:,} MB of memory each time. An index in this order, fewer rows "
        "or fewer columns are cheaper."
    )
    yield Design(
        "setting",
        f"work_mem = {needed_mb} MB",
        (statement,),
        f"{statement};  -- in the transaction of this statement",
        sort,
        (sort.node_id,),
        "",
        rejection=too_much if needed_mb > MAX_WORK_MEM_MB else None,
    )


def _disk_kb(node: PlanNode) -> float:
    """The largest part on disk of one process, in kilobytes."""
    if "Sort" not in node.node_type or not node.executed:
        return 0.0
    workers = node.attributes.get("Workers")
    processes = [node.attributes, *(workers if isinstance(workers, list) else ())]
    return max(
        (
            float(one.get("Sort Space Used") or 0)
            for one in processes
            if isinstance(one, Mapping) and one.get("Sort Space Type") == "Disk"
        ),
        default=0.0,
    )
