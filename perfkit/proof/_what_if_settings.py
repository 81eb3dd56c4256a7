"""Settings of the planner that are worth trying for a plan. Nothing is tried here."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from perfkit.model.plan import Plan, PlanNode
from perfkit.proof._what_if_designs import Design, IndexDesign

# A sort in memory needs two to three times what it takes on disk (reference notes, rule 27).
MEMORY_FACTOR = 3
# More than that for each sort of each statement is a decision about the whole server.
MAX_WORK_MEM_MB = 1024
# What compiling may take before doing without is tried: a fifth, as with sorts.
MIN_JIT_SHARE = 0.2
# A random read of an SSD costs hardly more than the next block; the default of 4 is a spinning disk's.
SSD_PAGE_COST = "1.1"


def setting_designs(plan: Plan, indexes: Sequence[IndexDesign]) -> Iterator[Design]:
    """Memory for a sort, and what keeps an index that exists from being used.

    Args:
        plan: with times.
        indexes: the designs for it; one that is rejected because an index exists tells that it is unused.
    """
    yield from _memory(plan)
    off = [name for name, value in plan.settings.items() if name.startswith("enable_") and value == "off"]
    for name in off:
        yield _setting(plan.root, name, "on")
    if (plan.jit_time_ms or 0.0) >= MIN_JIT_SHARE * (plan.duration_ms or math.inf):
        yield _setting(plan.root, "jit", "off")
    unused = [item for item in indexes if item.rejection and "expects another way" in item.rejection]
    if unused and "random_page_cost" not in plan.settings:
        yield _setting(unused[0].scan, "random_page_cost", SSD_PAGE_COST)


def _setting(node: PlanNode, name: str, value: str, rejection: str | None = None) -> Design:
    statement = f"SET LOCAL {name} = {value}"
    return Design(
        "setting",
        f"{name} = {value}",
        (statement,),
        f"{statement};  -- in the transaction of this statement",
        node,
        (node.node_id,),
        "",
        rejection,
    )


def _memory(plan: Plan) -> Iterator[Design]:
    """Enough `work_mem` for the largest sort that went through the disk."""
    spilled = [(disk_kb, node) for node in plan.nodes() if (disk_kb := _disk_kb(node)) > 0]
    if not spilled:
        return
    disk_kb, sort = max(spilled, key=lambda item: item[0])
    needed_mb = 2 ** math.ceil(math.log2(max(1.0, disk_kb * MEMORY_FACTOR / 1024)))
    too_much = (
        f"The sort would need about {needed_mb:,} MB of memory each time. An index in this order, fewer rows "
        "or fewer columns are cheaper."
    )
    design = _setting(sort, "work_mem", f"'{needed_mb}MB'", too_much if needed_mb > MAX_WORK_MEM_MB else None)
    yield replace(design, what=f"work_mem = {needed_mb} MB")


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
