"""What went through temporary files because it did not fit into memory, and how much memory it takes."""

import math
import re
from collections.abc import Iterator, Mapping

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_io import TEMPORARY, own_io_ms
from perfkit.model.plan_scans import as_number

# PostgreSQL's defaults: work_mem, and how much of it a hash may use (from version 15 on).
DEFAULT_WORK_MEM_KB, DEFAULT_HASH_MULTIPLIER = 4096, 2.0
# More than this for one statement is more than most servers can spare.
MAX_MEMORY_MB = 256
_BLOCK_BYTES = 8192
_SIZE = re.compile(r"(\d+)\s*(kB|MB|GB|TB)?")
_KB = {"kB": 1.0, "MB": 1024.0, "GB": 1024.0**2, "TB": 1024.0**3}


def work_mem_kb(plan: Plan) -> float:
    """How much memory one sort might use when the plan was made; the default where the plan does not say."""
    match = _SIZE.fullmatch(str(plan.settings.get("work_mem", "")).strip())
    return float(match[1]) * _KB[match[2] or "kB"] if match else DEFAULT_WORK_MEM_KB


def hash_multiplier(plan: Plan, peak_kb: float) -> float:
    """How many times `work_mem` a hash might use.

    Args:
        plan: its settings say so where they differ from the default, which was 1 before PostgreSQL 15.
        peak_kb: what a hash that did not fit did use.
    """
    try:
        return float(plan.settings["hash_mem_multiplier"])
    except (KeyError, ValueError):
        return DEFAULT_HASH_MULTIPLIER if peak_kb > work_mem_kb(plan) else 1.0


def memory_advice(needed_kb: float) -> list[str]:
    """Words and the statement that give one transaction so much memory; only words where it is too much."""
    memory_mb = max(1, 2 ** math.ceil(math.log2(max(1.0, needed_kb / 1024))))
    if memory_mb > MAX_MEMORY_MB:
        return [f"In memory it would take about {memory_mb:,} MB, more than one statement should have."]
    return [
        "If that is not possible, try more memory for this transaction, and keep it only if it is faster.",
        f"SET LOCAL work_mem = '{memory_mb}MB';",
    ]


def most_said(node: PlanNode, name: str) -> float:
    """The largest number under this name in the main process or one of the workers."""
    return max(as_number(one.get(name)) for one in _processes(node))


def _processes(node: PlanNode) -> Iterator[Mapping[str, object]]:
    yield node.attributes
    workers = node.attributes.get("Workers")
    yield from (item for item in workers if isinstance(item, Mapping)) if isinstance(workers, list) else ()


def spilled_mb(*nodes: PlanNode) -> float:
    """Megabytes that these nodes wrote to temporary files."""
    return sum(node.self_buffers.temp_written for node in nodes) * _BLOCK_BYTES / 1e6


def temporary_file_ms(*nodes: PlanNode) -> float | None:
    """What reading and writing temporary files took these nodes, `None` where that was not timed.

    PostgreSQL times it with `track_io_timing`, from version 15 on.
    """
    times = [own_io_ms(node, TEMPORARY) for node in nodes]
    known = [time for time in times if time is not None]
    return sum(known) if known else None
