"""What the views say about one node of a plan, in words."""

import re
from collections.abc import Iterator

from perfkit.model.plan import Plan, PlanNode
from perfkit.views._format import megabytes

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
_SHOWN_CHARACTERS = 200
_BLOCK_BYTES = 8192
_STRATEGIES = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}
# A factor below this is daily life; pev2 and depesz mark ten.
MARKED_FACTOR = 10.0
# Shares of the execution time from which depesz colours a node.
STRONG_SHARE = 0.5


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


def conditions(node: PlanNode) -> list[str]:
    """The conditions that decide what the node reads and returns, with the rows that they threw away."""
    lines: list[str] = []
    for key in _CONDITIONS:
        value = node.attributes.get(key)
        if (
            not value
            or len(lines) == _SHOWN_CONDITIONS
            or (key == "Recheck Cond" and not _removed(node, key))
        ):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        lines.append(f"{key}: {short(_bare(text, node), _SHOWN_CHARACTERS)}{_thrown_away(node, key)}")
    return lines


def _bare(text: str, node: PlanNode) -> str:
    """Without the table's name before each column, where the node reads but one table."""
    name = node.alias or node.relation_name
    if name:
        text = re.sub(rf'(?<![\w".]){re.escape(name)}\.', "", text)
    return text[1:-1] if text.startswith("(") and text.endswith(")") and _one_pair(text) else text


def _one_pair(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return False
    return True


def short(text: str, length: int) -> str:
    """The text, cut in the middle where it is longer than `length` characters."""
    if len(text) <= length:
        return text
    return f"{text[: length * 2 // 3]} … {text[-length // 3 :]}"


def _removed(node: PlanNode, key: str) -> float:
    if key == "Filter":
        return node.total_rows_removed or 0.0
    value = node.attributes.get(_REMOVED.get(key, ""))
    return float(value) * (node.actual_loops or 0) if isinstance(value, int | float) else 0.0


def _thrown_away(node: PlanNode, key: str) -> str:
    removed = _removed(node, key)
    return f" — threw away {count(removed)} rows" if removed else ""


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
