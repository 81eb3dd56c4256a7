"""Every parallel worker builds the same hash for itself.

What it finds
    A hash below a Gather that is not shared: each process reads the whole hashed side and keeps a copy of it.

Why is this slow
    Three processes do the same work three times, at the same time, so that building takes as long as with
    one, and three times the memory. A parallel hash is built by all of them together, once.

Example
    SELECT … FROM orders JOIN users ON users.id = orders.user_id
    with 7 MB of users, below the 8 MB from which PostgreSQL reads a table in parallel.

Use instead
    SET LOCAL min_parallel_table_scan_size = '1MB';
    in the transaction of the statement, where the hashed side is a table below that size. Where it is a
    sub-query that no worker may share, put its result into a temporary table first.

Thresholds
    min_busy_ms (50): milliseconds that all processes together spent on building it (reference notes on
        EXPLAIN, rule 45). Below that, sharing costs more than it saves.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The hash is shared. It is quickly built. Only one process built it. The statement runs without workers.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import scan_below
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK251", "duplicated-parallel-build"


def duplicated_parallel_build(trace: Trace, *, min_busy_ms: float = 50.0) -> Iterator[Finding]:
    """Find hashes that every process builds for itself.

    Args:
        trace: a block with plans.
        min_busy_ms: milliseconds that all processes together spent on building it.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            is_own = item.node_type == "Hash" and item.attributes.get("Parallel Aware") is not True
            if not is_own or (item.actual_loops or 0) < 2 or item.share.participants < 2:
                continue
            if (item.busy_time_ms or 0.0) >= min_busy_ms and is_worth_a_line(_saving_ms(item), duration_ms):
                yield _finding(trace, number, plan, item)


def _saving_ms(item: PlanNode) -> float:
    """All processes build at the same time; together each would do its part."""
    return (item.total_time_ms or 0.0) * (1 - 1 / item.share.participants)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(item), plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"{item.share.participants:,.0f} processes each hash the same {item.actual_rows or 0:,.0f} rows, "
            f"{item.busy_time_ms or 0.0:,.0f} ms of work in all."
        ),
        advice=_advice(plan, item),
        refutation=(
            "Refuted if the statement is as slow with a shared hash: dividing the work costs some, and a "
            "small hash of its own is searched without waiting for others."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Building took each {item.total_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _advice(plan: Plan, item: PlanNode) -> str:
    if plan.settings.get("enable_parallel_hash") == "off":
        return (
            "Shared hashes are turned off for this connection: allow them again.\n"
            "SET LOCAL enable_parallel_hash = on;"
        )
    inner = item.children[0] if item.children else None
    scan = scan_below(inner) if inner is not None else None
    if scan is None:
        return (
            "The hashed side is more than one table, and no worker may share it: put its result into a "
            "temporary table first.\nCREATE TEMPORARY TABLE hashed AS SELECT …;\nANALYZE hashed;"
        )
    return (
        "Let the workers read the hashed table together, so that they build one hash. Try it in the "
        "transaction of this statement; a filter on the hashed side, or fewer columns of it, helps without.\n"
        "SET LOCAL min_parallel_table_scan_size = '1MB';"
    )


def _gather(*, ms: float = 40, loops: int = 3, shared: bool = False, rows: float = 180_000) -> PlanNode:
    users = node("Seq Scan", ms=ms / 2, rows=rows, loops=loops, relation_name="users")
    hashed = node("Hash", users, ms=ms, rows=rows, loops=loops, Parallel_Aware=shared)
    orders = node("Seq Scan", ms=30, rows=100_000, loops=loops, relation_name="orders", Parallel_Aware=True)
    join = node("Hash Join", orders, hashed, ms=110, rows=100_000, loops=loops)
    return node("Gather", join, ms=125, rows=300_000)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=duplicated_parallel_build,
    fires_on=(
        planned_trace(_gather(), name="three processes hash the same users"),
        planned_trace(node("Aggregate", _gather(loops=2), ms=126), name="two do"),
    ),
    silent_on=(
        planned_trace(_gather(shared=True), name="shared"),
        planned_trace(_gather(ms=1, rows=2_000), name="quickly built"),
        planned_trace(_gather(loops=1), name="no worker came"),
        planned_trace(
            node("Hash Join", node("Seq Scan", ms=30), node("Hash", node("Seq Scan", ms=20), ms=60), ms=110),
            name="without workers",
        ),
    ),
)
