"""A plan made for several processes ran with fewer.

What it finds
    A Gather that wanted parallel workers and got fewer of them, or none.

Why is this slow
    The planner chose this plan because it would share the work between processes. Workers come from a pool
    of the whole server (`max_parallel_workers`, 8 by default); when it is empty, the statement runs all the
    same, with the processes that are there. It then takes two or three times as long, from one minute to
    the next, with the same plan. A plan without workers might have been faster.

Example
    SELECT count(*) FROM orders
    Workers Planned: 2, Workers Launched: 0, because nine reports run at the same time.

Use instead
    Look who uses the workers, then either run fewer such statements at a time or raise the pool:
    SELECT pid, leader_pid, query FROM pg_stat_activity WHERE backend_type = 'parallel worker';
    ALTER SYSTEM SET max_parallel_workers = 16; SELECT pg_reload_conf();
    It cannot exceed max_worker_processes, which needs a restart. Until then do not trust the times of this
    plan.

Thresholds
    min_missing (1): workers that were wanted and did not come. Any counts, as in pev2.
    The saving is what an even share for all the processes would give, so it is an upper bound. In all rules
    about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    All workers came. The Gather never ran. There was next to nothing to share.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_processes import GATHER, gathered, workers
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK260", "workers-not-launched"


def workers_not_launched(trace: Trace, *, min_missing: int = 1) -> Iterator[Finding]:
    """Find plans that ran with fewer processes than they were made for.

    Args:
        trace: a block with plans.
        min_missing: workers that were wanted and did not come.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for gather in plan.nodes():
            if gather.node_type not in GATHER or not gather.executed:
                continue
            planned, launched = workers(gather)
            if planned - launched >= max(1, min_missing) and is_worth_a_line(_saving_ms(gather), duration_ms):
                yield _finding(trace, number, plan, gather)


def _saving_ms(gather: PlanNode) -> float:
    """What an even share for every process that was wanted would save, in milliseconds."""
    planned, launched = workers(gather)
    shared = gathered(gather)
    if shared is None:
        return 0.0
    return (shared.total_time_ms or 0.0) * (1 - (launched + 1) / (planned + 1))


def _finding(trace: Trace, number: int, plan: Plan, gather: PlanNode) -> Finding:
    planned, launched = workers(gather)
    saving_ms = saving_in_block(_saving_ms(gather), plan, trace)
    limit = plan.settings.get("max_parallel_workers")
    found = f"The setting max_parallel_workers is {limit} here." if limit is not None else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"Of {planned} parallel workers that the plan wanted, {launched} came.",
        advice=(
            "Look who uses the server's workers; then run fewer parallel statements at a time, or allow more "
            "workers. The times of this plan are those of a busy server.\n"
            "SELECT pid, leader_pid, query FROM pg_stat_activity WHERE backend_type = 'parallel worker';\n"
            "SHOW max_parallel_workers;"
        ),
        refutation=(
            "Refuted if the statement takes as long on an idle server, where all the workers come: explain "
            "it again there."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(gather.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=tuple(
            line for line in (f"Workers Planned: {planned}, Workers Launched: {launched}", found) if line
        ),
    )


def _gather(planned: int, launched: int, *, ms: float = 90, name: str = "Gather", loops: int = 1) -> PlanNode:
    scan = node("Seq Scan", ms=ms, rows=9_000, loops=(launched + 1) * loops, relation_name="orders")
    return node(
        name, scan, ms=ms + 2, rows=9_000, loops=loops, Workers_Planned=planned, Workers_Launched=launched
    )


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=workers_not_launched,
    fires_on=(
        planned_trace(_gather(2, 0)),
        planned_trace(_gather(4, 1, name="Gather Merge")),
    ),
    silent_on=(
        planned_trace(_gather(2, 2)),
        # It never ran.
        planned_trace(node("Append", _gather(2, 0, loops=0), ms=90)),
        # Nothing that was worth sharing.
        planned_trace(_gather(2, 0, ms=0.4)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _gather(2, 0, ms=5), ms=900)),
    ),
)
