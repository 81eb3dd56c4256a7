"""What the views say about one node of a plan, in words."""

from collections.abc import Iterator, Mapping

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._plan_conditions import telling

# What a reader wants to see first, in this order; two of them are shown beside the node.
_CONDITIONS = (
    "Index Cond", "Hash Cond", "Merge Cond", "Recheck Cond", "TID Cond", "Filter", "Join Filter",
    "One-Time Filter", "Run Condition", "Order By", "Sort Key", "Group Key", "Cache Key", "Function Call",
)  # fmt: skip
_REMOVED = {
    "Join Filter": "Rows Removed by Join Filter",
    "Recheck Cond": "Rows Removed by Index Recheck",
}
_SHOWN_CONDITIONS = 2
_BLOCK_BYTES = 8192
_STRATEGIES = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}
# A factor below this is daily life; pev2 and depesz mark ten.
MARKED_FACTOR = 10.0
# Shares of the execution time from which depesz colours a node.
STRONG_SHARE = 0.5
# Below it two decimals of a millisecond say nothing.
_LEAST_SHOWN_MS = 0.005


def title(node: PlanNode) -> str:
    """What the node does, the way EXPLAIN's text says it: `Parallel Seq Scan on orders o`."""
    if node.relation_name and "Detail" in node.attributes:
        return str(node.attributes["Detail"])
    words = [_action(node)]
    if node.index_name:
        words.append(f"using {node.index_name}")
    target = node.relation_name or node.attributes.get("CTE Name") or node.attributes.get("Function Name")
    if target:
        words.append(f"on {target}")
    if node.alias and node.alias != target:
        words.append(node.alias)
    return " ".join(words)


def _action(node: PlanNode) -> str:
    said = node.attributes
    name = node.node_type
    if name == "ModifyTable":
        return str(said.get("Operation", name))
    if name == "Aggregate":
        name = _STRATEGIES.get(str(said.get("Strategy")), name)
    if said.get("Partial Mode") in ("Partial", "Finalize"):
        name = f"{said['Partial Mode']} {name}"
    if said.get("Join Type") not in (None, "Inner"):
        name = name.replace("Nested Loop", "Nested Loop Join").replace("Join", f"{said['Join Type']} Join")
    return f"Parallel {name}" if said.get("Parallel Aware") is True else name


def conditions(node: PlanNode) -> dict[str, str]:
    """What decides which rows the node reads and returns, two of it at most.

    Args:
        node: of any plan.

    Returns:
        The part of each condition that tells, by the database's name for it.
    """
    found: dict[str, str] = {}
    for key in _CONDITIONS:
        value = node.attributes.get(key)
        if not value or (key == "Recheck Cond" and not _removed(node, key)):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        found[key] = telling(text, node.alias or node.relation_name)
        if len(found) == _SHOWN_CONDITIONS:
            break
    return found


def condition_lines(node: PlanNode, shown: Mapping[str, str] | None = None) -> list[str]:
    """The conditions, each on a line with the rows that it threw away.

    Args:
        node: of any plan.
        shown: what `conditions` returned for it, where that is at hand.
    """
    found = conditions(node) if shown is None else shown
    return [f"{key}: {text}{_thrown_away(node, key)}" for key, text in found.items()]


def _removed(node: PlanNode, key: str) -> float:
    """Rows that this condition threw away, over all loops."""
    if key == "Filter":
        return node.total_rows_removed or 0.0
    value = node.attributes.get(_REMOVED.get(key, ""))
    return float(value) * (node.actual_loops or 0) if isinstance(value, int | float) else 0.0


def _thrown_away(node: PlanNode, key: str) -> str:
    removed = _removed(node, key)
    return f" — threw away {about(node, removed, 'row')}" if removed else ""


def spills(node: PlanNode) -> Iterator[str]:
    """What did not fit into memory, in a few words each."""
    said = node.attributes
    if said.get("Sort Space Type") == "Disk":
        yield f"sorted on disk, {_kilobytes(said.get('Sort Space Used'))}"
    batches = said.get("Hash Batches") or said.get("HashAgg Batches")
    if isinstance(batches, int) and batches > 1:
        yield f"in {batches} batches on disk"
    if said.get("Storage") == "Disk":
        yield f"kept on disk, {_kilobytes(said.get('Maximum Storage'))}"
    if said.get("Lossy Heap Blocks"):
        yield "bitmap too large for memory"


def _kilobytes(value: object) -> str:
    return megabytes(value * 1024) if isinstance(value, int | float) else "size unknown"


def blocks(count_of_blocks: int) -> str:
    """Blocks as a size: `15.8 MB`."""
    return megabytes(count_of_blocks * _BLOCK_BYTES) if count_of_blocks else ""


def own_time(node: PlanNode) -> str:
    """Its own time, with a sign where rounding makes it a rough one; empty where it was not measured."""
    if node.self_time_ms is None:
        return ""
    if node.self_time_ms < _LEAST_SHOWN_MS:
        return "0 ms"
    return f"{'≈ ' if is_rough(node) else ''}{milliseconds(node.self_time_ms)}"


def rows(number: str) -> str:
    """A number of rows with its noun; empty where there is none."""
    return f"{number} {'row' if number == '1' else 'rows'}" if number else ""


def cost(node: PlanNode, plan: Plan) -> str:
    """What the planner reckoned, for a plan that was not executed: `cost 1,234`."""
    return f"cost {node.total_cost:,.0f}" if node.total_cost is not None and not plan.analyzed else ""


def loops(node: PlanNode) -> str:
    """How often it ran, where that is more than once: `300 loops`."""
    return f"{node.actual_loops:,} loops" if (node.actual_loops or 0) > 1 else ""


def read(node: PlanNode) -> str:
    """What it read itself, from the cache or the disk: `15.8 MB read`."""
    size = blocks(node.self_buffers.shared)
    return f"{size} read" if size else ""


def count(value: float | None) -> str:
    """Rows: whole where they are many, with a decimal where an average is small."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def expected_rows(node: PlanNode) -> float | None:
    """What the planner expected over all the loops that really happened."""
    return None if node.plan_rows is None else node.plan_rows * (node.actual_loops or 1)


def factor(node: PlanNode, cut: frozenset[int]) -> str:
    """By how much the estimate was off, where that is worth a mark: `93× more than expected`.

    Nothing for nodes in `cut`, which were stopped before they had returned all their rows.
    """
    off = node.row_estimate_factor
    if off is None or off < MARKED_FACTOR or node.node_id in cut:
        return ""
    direction = "more" if (node.actual_rows or 0) > (node.plan_rows or 0) else "fewer"
    return f"{off:,.0f}× {direction} than expected"


def share(node: PlanNode, plan: Plan) -> float | None:
    """The node's own part of the execution time, from 0 to 1; `None` where that was not measured."""
    if node.self_time_ms is None or not plan.duration_ms:
        return None
    return min(1.0, node.self_time_ms / plan.duration_ms)


def is_rough(node: PlanNode) -> bool:
    """Whether rounding makes the time no more than a rough one: it may be off by more than a tenth."""
    return node.self_time_ms is not None and node.rounding_ms > max(0.1, 0.1 * node.self_time_ms)


def depths(plan: Plan) -> Iterator[tuple[PlanNode, int]]:
    """Every node with its level, the root at 0."""
    pending = [(plan.root, 0)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending.extend((child, depth + 1) for child in reversed(node.children))
