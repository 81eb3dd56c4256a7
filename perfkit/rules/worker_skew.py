"""One of several parallel processes did most of the work while the others waited for it.

What it finds
    A Gather below which one process was busy several times as long as the others.

Why is this slow
    A parallel statement ends with its slowest process. The rows are handed out by pages, and each process
    does what hangs on its rows: where one customer has half of all the orders, the process that meets this
    customer does half of the work, and the others are done long before.

Example
    SELECT count(*) FROM files WHERE checksum(size) > 0
    One file is as large as all the others a hundred times over: one process is busy for 84 ms, the others 1.

Use instead
    Look at the row or value that has most of the work. Where it is a join, start from the large side, so that
    its rows are what is shared out: a hash join, for which the planner needs right statistics:
    ALTER TABLE orders ALTER COLUMN customer_id SET STATISTICS 1000; ANALYZE orders;
    Or treat the few large ones in a statement of their own.

Thresholds
    min_ratio (3): how many times longer than the others on average one process was busy (our choice).
    min_gap_ms (20): what an even share would save, in milliseconds. Workers start a few milliseconds late.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The plan does not tell the processes apart, as without VERBOSE. The leader did less than its workers:
    it collects their rows. Whole parts of a Parallel Append, which no two processes can share, make the
    difference. The busy process only read more pages, with no more work on each: the others came late. It
    never says more than "info": with other values the work is spread in another way.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_processes import GATHER, gathered, process_blocks, process_times_ms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK261", "worker-skew"


def worker_skew(trace: Trace, *, min_ratio: float = 3.0, min_gap_ms: float = 20.0) -> Iterator[Finding]:
    """Find parallel plans in which one process did most of the work.

    Args:
        trace: a block with plans.
        min_ratio: how many times longer than the others on average one process was busy.
        min_gap_ms: what an even share would save, in milliseconds.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for gather in plan.nodes():
            shared = gathered(gather) if gather.node_type in GATHER and gather.executed else None
            times = _compared_ms(shared) if shared is not None else ()
            if (
                not times
                or shared is None
                or _has_whole_parts(shared)
                or _others_came_late(shared, min_ratio)
            ):
                continue
            gap_ms = max(times) - sum(times) / len(times)
            is_skewed = max(times) >= min_ratio * _others_ms(times) and gap_ms >= min_gap_ms
            if is_skewed and is_worth_a_line(gap_ms, duration_ms):
                yield _finding(trace, number, plan, gather, times)


def _compared_ms(shared: PlanNode) -> tuple[float, ...]:
    """The times of all processes; without the leader's where it worked less than they did.

    Nothing where fewer than two are left.
    """
    times = process_times_ms(shared)
    leader, others = times[:1], times[1:]
    compared = times if others and sum(leader) >= sum(others) / len(others) else others
    return compared if len(compared) > 1 else ()


def _others_ms(times: tuple[float, ...]) -> float:
    return (sum(times) - max(times)) / (len(times) - 1)


def _has_whole_parts(shared: PlanNode) -> bool:
    return any(item.node_type == "Append" for item in shared.walk())


def _others_came_late(shared: PlanNode, min_ratio: float) -> bool:
    """Whether the busy process only read more pages, not pages with more work than those of the others.

    Pages are handed out one by one, so a process that is slow by its rows reads fewer of them.
    """
    times, blocks = process_times_ms(shared), process_blocks(shared)
    if len(times) != len(blocks):
        return False
    busiest = times.index(max(times))
    others_ms, others_blocks = sum(times) - times[busiest], sum(blocks) - blocks[busiest]
    if not others_blocks:
        return True
    # Both sides times the blocks of both: time a block, compared without dividing by none.
    return times[busiest] * others_blocks < min_ratio * others_ms * blocks[busiest]


def _finding(trace: Trace, number: int, plan: Plan, gather: PlanNode, times: tuple[float, ...]) -> Finding:
    longest, others = max(times), _others_ms(times)
    shown = ", ".join(f"{time_ms:,.1f}" for time_ms in sorted(times, reverse=True))
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=(
            f"One of {len(times)} parallel processes was busy {longest:,.0f} ms, "
            f"the others {others:,.0f} ms on average."
        ),
        advice=(
            "Look for a value that has most of the rows. Let the large side of the join be the one that is "
            "shared out, or treat the few large values in a statement of their own."
        ),
        refutation=(
            "Refuted if another run with other values spreads the work evenly, or if the slow process only "
            "had to wait for the disk."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(gather.node_id,),
        plan=number,
        saving_ms=saving_in_block(longest - sum(times) / len(times), plan, trace),
        evidence=(f"Milliseconds of each process: {shown}",),
    )


def _gather(*times: float, below: str = "Nested Loop", workers_told: bool = True) -> PlanNode:
    """A Gather whose leader and workers took these times."""
    said: dict[str, Any] = {}
    if workers_told:
        said["Workers"] = [{"Actual Total Time": ms, "Actual Loops": 1} for ms in times[1:]]
    average = sum(times) / len(times)
    join = node(below, ms=average, rows=9_000, loops=len(times), **said)
    return node("Gather", join, ms=max(times) + 1, rows=27_000)


def _scan(leader_ms: float, worker_ms: float, blocks: int) -> PlanNode:
    """A Gather over a scan of 2,565 blocks, of which the one worker read so many."""
    said: dict[str, Any] = {
        "Parallel Aware": True,
        "Workers": [
            {
                "Worker Number": 0,
                "Actual Total Time": worker_ms,
                "Actual Loops": 1,
                "Shared Hit Blocks": blocks,
            }
        ],
    }
    scan = node(
        "Seq Scan",
        ms=leader_ms / 2,
        rows=120,
        loops=2,
        relation_name="orders",
        shared_hit_blocks=2_565,
        **said,
    )
    return node("Gather", scan, ms=leader_ms + 1, rows=239)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=worker_skew,
    fires_on=(
        planned_trace(_gather(10, 12, 200)),
        planned_trace(_gather(300, 20, 20)),
        # Half of the pages each, and all the work on those of one.
        planned_trace(_scan(300, 10, 1_282)),
    ),
    silent_on=(
        planned_trace(_gather(95, 100, 110)),
        # The leader collects the rows of its workers.
        planned_trace(_gather(2, 100, 110)),
        # One worker, and a leader that collects: of two processes nothing can be said.
        planned_trace(_gather(1, 200)),
        # A few milliseconds: the workers came late.
        planned_trace(_gather(9, 1, 1)),
        # The workers came when all pages were read.
        planned_trace(_scan(104, 0, 0)),
        planned_trace(_scan(104, 10, 200)),
        # No two processes can share what Parallel Append hands out.
        planned_trace(_gather(10, 12, 200, below="Append")),
        # Without VERBOSE nobody knows.
        planned_trace(_gather(10, 12, 200, workers_told=False)),
    ),
)
