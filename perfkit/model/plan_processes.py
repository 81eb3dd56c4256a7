"""The processes that shared a plan: how many there were, and how the time was spread over them."""

from collections.abc import Mapping

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_scans import as_number

GATHER = ("Gather", "Gather Merge")


def gathered(gather: PlanNode) -> PlanNode | None:
    """The node below a Gather that its workers run; `None` where there is none."""
    inner = (child for child in gather.children if child.parent_relationship not in ("InitPlan", "SubPlan"))
    return next(inner, None)


def workers(gather: PlanNode) -> tuple[int, int]:
    """How many workers a Gather wanted, and how many the server gave it."""
    planned, launched = gather.attributes.get("Workers Planned"), gather.attributes.get("Workers Launched")
    return (planned if isinstance(planned, int) else 0, launched if isinstance(launched, int) else 0)


def process_count(plan: Plan) -> float:
    """The largest number of processes that ran the same node, 1 for a plan without workers."""
    return max(node.share.participants for node in plan.nodes())


def process_times_ms(node: PlanNode) -> tuple[float, ...]:
    """What each process spent in a node and below it, in milliseconds, the leader first.

    Empty where the plan does not tell the workers apart: it does with `VERBOSE` alone.
    """
    said = node.attributes.get("Workers")
    if not isinstance(said, list) or node.busy_time_ms is None:
        return ()
    times = [_busy_ms(worker) for worker in said if isinstance(worker, Mapping)]
    return (max(0.0, node.busy_time_ms - sum(times)), *times) if times else ()


def process_blocks(node: PlanNode) -> tuple[float, ...]:
    """Blocks that each process read of the tables whose pages are handed out to all of them.

    The processes are those of `process_times_ms`, in the same order. Empty where the plan does not tell the
    workers apart, or not with their blocks, or counts what hangs on each row among them.
    """
    said = node.attributes.get("Workers")
    if not isinstance(said, list):
        return ()
    numbers = [_number(worker) for worker in said]
    totals = [0.0] * (len(numbers) + 1)
    for scan in node.walk():
        if scan.attributes.get("Parallel Aware") is not True or scan.relation_name is None:
            continue
        if any(not child.node_type.startswith("Bitmap") for child in scan.children):
            return ()
        blocks = _blocks_of_workers(scan)
        if not set(blocks) <= set(numbers):
            return ()
        totals[0] += max(0.0, scan.buffers.shared - sum(blocks.values()))
        for position, number in enumerate(numbers, start=1):
            totals[position] += blocks.get(number, 0.0)
    return tuple(totals) if sum(totals) else ()


def _blocks_of_workers(scan: PlanNode) -> dict[object, float]:
    """By the workers' numbers: a worker that never came to a node is not told there."""
    said = scan.attributes.get("Workers")
    workers_ = [worker for worker in said if isinstance(worker, Mapping)] if isinstance(said, list) else []
    return {
        _number(worker): sum(as_number(worker.get(f"Shared {kind} Blocks")) for kind in ("Hit", "Read"))
        for worker in workers_
    }


def _number(worker: object) -> object:
    return worker.get("Worker Number") if isinstance(worker, Mapping) else None


def _busy_ms(worker: Mapping[str, object]) -> float:
    time_ms, loops = worker.get("Actual Total Time"), worker.get("Actual Loops")
    both = isinstance(time_ms, int | float) and isinstance(loops, int | float)
    return float(time_ms) * float(loops) if both else 0.0  # type: ignore[arg-type]  # told by `both`
