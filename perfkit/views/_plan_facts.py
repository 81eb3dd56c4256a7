"""What the fold of a node holds: what the database said beyond the line, without what says nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.model.plan import PlanNode
from perfkit.model.wording import counted
from perfkit.views import _plan_words as words
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._plan_conditions import short

_KILOBYTE = 1024
# In the title, in the numbers of the line, or of no use to a reader.
_SAID = frozenset(
    {
        "Join Type", "Strategy", "Partial Mode", "Operation", "CTE Name", "Function Name", "Parallel Aware",
        "Detail", "Command", "Sort Space Type",
        "Rows Removed by Join Filter", "Rows Removed by Index Recheck",
    }
)  # fmt: skip
# What nearly every node says, and so nobody needs to read.
_USUAL = {"Scan Direction": "Forward", "Hash Batches": 1, "HashAgg Batches": 1}
_AS_PLANNED = {"Original Hash Buckets": "Hash Buckets", "Original Hash Batches": "Hash Batches"}
_KILOBYTES = frozenset({"Sort Space Used", "Peak Memory Usage", "Disk Usage", "Maximum Storage"})
_SHOWN_OUTPUT = 160
_SHOWN_WORKERS = 8


def facts(node: PlanNode, shown: Mapping[str, str]) -> Iterator[str]:
    """Everything else that is known of a node, a phrase each.

    Args:
        node: of any plan.
        shown: the conditions that stand beside it, by name; those that were shortened follow whole.
    """
    yield from _times(node)
    if node.buffers.shared_read:
        from_disk, cached = words.blocks(node.buffers.shared_read), words.blocks(node.buffers.shared_hit)
        yield f"From disk: {from_disk}, from cache {cached or 'nothing'}"
    if node.buffers.temp_written:
        yield f"Temporary files: {words.blocks(node.buffers.temp_written)} written"
    if node.total_cost is not None:
        width = counted(node.plan_width or 0, "byte")
        yield f"Cost: {node.startup_cost or 0:,.2f} to {node.total_cost:,.2f}, {width} a row"
    for key, value in node.attributes.items():
        if _tells(node, key, value) and not _is_shown_whole(shown.get(key)):
            yield f"{key}: {_fact(key, value)}"


def _times(node: PlanNode) -> Iterator[str]:
    if node.total_time_ms is None or not node.executed:
        return
    if node.children:
        yield f"Time with everything below: {milliseconds(node.total_time_ms)}"
    if node.share.participants > 1:
        busy = milliseconds(node.busy_time_ms)
        yield f"Shared by {node.share.participants:g} processes, busy for {busy} together"
    if words.is_rough(node):
        yield f"Rounding: ± {milliseconds(node.rounding_ms)}"


def _tells(node: PlanNode, key: str, value: Any) -> bool:
    if key in _SAID or _USUAL.get(key) == value:
        return False
    planned = _AS_PLANNED.get(key)
    return bool(value) and (planned is None or node.attributes.get(planned) != value)


def _is_shown_whole(text: str | None) -> bool:
    """Whether the line has all of this condition."""
    return text is not None and "…" not in text


def _fact(key: str, value: Any) -> str:
    if key == "Workers" and isinstance(value, list):
        return "; ".join(_worker(item) for item in value[:_SHOWN_WORKERS] if isinstance(item, Mapping))
    if key == "Output":
        return short(_plain(value), _SHOWN_OUTPUT)
    if key in _KILOBYTES and isinstance(value, int | float):
        return megabytes(value * _KILOBYTE)
    return _plain(value)


def _worker(said: Mapping[str, Any]) -> str:
    """One parallel process: what it did, and whether it had to use the disk."""
    parts = []
    time, rows = said.get("Actual Total Time"), said.get("Actual Rows")
    if isinstance(time, int | float) and isinstance(rows, int | float):
        parts.append(f"{milliseconds(time)} for {words.rows(words.count(rows))}")
    if said.get("Sort Space Type") == "Disk":
        parts.append("sorted on disk")
    return f"number {said.get('Worker Number')} {', '.join(parts)}".rstrip()


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
