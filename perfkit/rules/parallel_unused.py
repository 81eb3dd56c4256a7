"""A large table is read by one process, though the rows that come out of it are few.

What it finds
    A long sequential scan of a large table in a plan without any parallel process.

Why is this slow
    PostgreSQL shares the reading of a table from 8 MB on between several processes. It does not where
    something forbids it: a function that is not declared PARALLEL SAFE (functions are unsafe by default), a
    setting, a cursor, a statement that writes. Then one process does everything.

Example
    SELECT count(*) FROM events WHERE is_late(at)
    with a PL/pgSQL function that was created without PARALLEL SAFE.

Use instead
    ALTER FUNCTION is_late(timestamp) PARALLEL SAFE;
    if it writes nothing, and uses neither sequences, temporary tables nor savepoints. Or
    SET max_parallel_workers_per_gather = 2; where the setting is 0.

Thresholds
    min_scan_ms (100): the scan's own time in milliseconds. Starting workers takes several.
    min_scan_share (0.5): the scan's own share of the execution time, from 0 to 1.
    min_pages (3,072): pages of 8 kB read by the scan. PostgreSQL plans one worker from 8 MB, two from 24 MB.
    max_kept_share (0.1): share of the rows read that leave the scan, unless they are aggregated right above
        it. Handing many rows from process to process costs more than reading them.

Stays silent when
    Anything in the plan is parallel, or the statement changes or locks rows. The scan runs more than once,
    or a LIMIT stopped it. Never more than "info": reading less is better than reading with more processes.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_processes import GATHER
from perfkit.model.plan_savings import measured_plans, saving_in_block, table_name
from perfkit.model.plan_shape import is_stopped_by_limit
from perfkit.model.trace import Trace
from perfkit.rules._rule import PREDICATE_RULES, Rule

CODE, NAME = "PK262", "parallel-unused"
_SERIAL = frozenset({*GATHER, "ModifyTable", "LockRows"})
_SETTING = "max_parallel_workers_per_gather"
# With the two workers that are the default, a third of the time is left at best.
_WORKERS = 2
_CALL = re.compile(r'(?<![\w"])(?:\w+\.)?([a-z_]\w*)\(')
_WORDS = frozenset({"any", "all", "and", "or", "not", "in", "row", "array", "exists", "between", "count"})


def parallel_unused(
    trace: Trace,
    *,
    min_scan_ms: float = 100.0,
    min_scan_share: float = 0.5,
    min_pages: int = 3_072,
    max_kept_share: float = 0.1,
) -> Iterator[Finding]:
    """Find long scans of large tables that one process did alone.

    Args:
        trace: a block with plans.
        min_scan_ms: the scan's own time in milliseconds.
        min_scan_share: the scan's own share of the execution time, from 0 to 1.
        min_pages: pages of 8 kB that the scan read.
        max_kept_share: share of the rows read that leave the scan, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        if any(item.node_type in _SERIAL for item in plan.nodes()):
            continue
        wanted_ms = max(min_scan_ms, min_scan_share * duration_ms)
        for scan in plan.nodes():
            is_long = scan.node_type == "Seq Scan" and (scan.self_time_ms or 0.0) >= wanted_ms
            if not is_long or scan.actual_loops != 1 or is_stopped_by_limit(plan, scan):
                continue
            if scan.self_buffers.shared >= min_pages and _returns_few(plan, scan, max_kept_share):
                yield _finding(trace, number, plan, scan)


def _returns_few(plan: Plan, scan: PlanNode, max_kept_share: float) -> bool:
    above = plan.parents.get(scan.node_id)
    if above is not None and above.node_type == "Aggregate":
        return (above.total_rows or 0.0) <= max_kept_share * (scan.total_rows or 0.0) or above.total_rows == 1
    kept, removed = scan.total_rows or 0.0, scan.total_rows_removed or 0.0
    return kept <= max_kept_share * (kept + removed)


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    own_ms = scan.self_time_ms or 0.0
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=f"{table_name(scan)}: one process alone read {scan.self_buffers.shared:,} pages.",
        advice=_advice(plan, scan),
        refutation=(
            "Refuted if the plan stays as it is after that, or if the server has no processor to spare: then "
            "more processes only take time from each other."
        ),
        confidence=0.4,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_in_block(own_ms * (1 - 1 / (_WORKERS + 1)), plan, trace),
        evidence=(f"The scan itself took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",),
    )


def _advice(plan: Plan, scan: PlanNode) -> str:
    if str(plan.settings.get(_SETTING)) == "0":
        return f"Parallel plans are switched off here; allow them for this statement.\nSET {_SETTING} = 2;"
    functions = _functions(scan)
    if functions:
        names = ", ".join(f"'{name}'" for name in functions)
        return (
            "See whether one of the functions is not declared PARALLEL SAFE. If it neither writes nor uses "
            "sequences, temporary tables or savepoints, declare it (suggested, not proved).\n"
            "SELECT oid::regprocedure FROM pg_proc "
            f"WHERE proname IN ({names}) AND proparallel <> 's';\n"
            "ALTER FUNCTION … PARALLEL SAFE;"
        )
    return (
        "See what keeps the planner from parallel processes: a function in the statement that is not "
        f"PARALLEL SAFE, a cursor, or a setting.\nSHOW {_SETTING};\nSHOW min_parallel_table_scan_size;"
    )


def _functions(scan: PlanNode) -> list[str]:
    """Names of the functions that the scan calls for each row, as its condition and its output have them."""
    output = scan.attributes.get("Output")
    texts = [str(scan.attributes.get("Filter", "")), *(output if isinstance(output, list) else ())]
    names = (name for text in texts for name in _CALL.findall(str(text)))
    return [name for name in dict.fromkeys(names) if name not in _WORDS]


def _scan(*, ms: float = 400, rows: float = 90, pages: int = 5_000, loops: int = 1) -> PlanNode:
    return node(
        "Seq Scan", ms=ms, rows=rows, loops=loops, relation_name="events", shared_hit_blocks=pages,
        rows_removed_by_filter=300_000 - rows, Filter="shop.is_late(events.at)",
    )  # fmt: skip


def _counted(scan: PlanNode, ms: float = 410) -> PlanNode:
    return node("Aggregate", scan, ms=ms, rows=1, shared_hit_blocks=scan.shared_hit_blocks)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=parallel_unused,
    yields_to=(
        "selective-seq-scan",
        "seq-scan-in-loop",
        "bloat",
        "partitions-not-pruned",
        "function-opaque",
        "wide-rows",
        "correlated-subplan",
        *PREDICATE_RULES,
    ),
    fires_on=(
        planned_trace(_scan()),
        planned_trace(_counted(_scan(rows=150_000))),
    ),
    silent_on=(
        # Several processes share it.
        planned_trace(node("Gather", _scan(loops=3), ms=410, rows=270, shared_hit_blocks=5_000)),
        # A small table with a slow condition.
        planned_trace(_counted(_scan(pages=900))),
        # Soon done.
        planned_trace(_counted(_scan(ms=40), ms=41)),
        # Most rows come out: handing them over would cost more than reading them.
        planned_trace(_scan(rows=200_000)),
        # What changes rows is done by one process.
        planned_trace(node("ModifyTable", _scan(), ms=450, shared_hit_blocks=5_000)),
        # A LIMIT stopped it.
        planned_trace(node("Limit", _scan(), ms=400, rows=90, shared_hit_blocks=5_000)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(), ms=4_000, rows=90, shared_hit_blocks=5_000)),
    ),
)
