"""A sort did not fit into memory and went through the disk.

What it finds
    A sort that wrote its rows to temporary files, in the main process or in a parallel worker.

Why is this slow
    A sort may use `work_mem`, 4 MB by default. What does not fit is sorted in pieces that are written to
    disk and merged, every row at least twice. While many statements do that at once, they share one disk.

Example
    SELECT * FROM orders ORDER BY created_at
    Every column of every order is sorted: 119 MB on disk.

Use instead
    Sort less: only the columns that are needed, a filter or a LIMIT before the sort. Only then give this one
    transaction more memory: SET LOCAL work_mem = '64MB'. Not the server: every sort and hash of every
    connection may take as much.

Thresholds
    min_disk_kb (1): kilobytes on disk from which it is a finding. Any spill counts, as in pev2 and depesz.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The sort fits into memory, keeps only the first rows (top-N heapsort), or never ran. Sorting itself
    takes too little of the time. An index can give the rows in this order: then no sort is needed. A hash or
    another node spills: that has other remedies.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_memory import memory_advice, temporary_file_ms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, own_time_words, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK203", "sort-on-disk"
# Rows take more room in memory than on disk: 1.5 to 3 times in our measurements of three sorts.
_MEMORY_FACTOR = 3
# What memory alone saved in the same measurements on a fast disk: 0 to 18 % of the sort.
_MEMORY_SAVING = 0.15


def sort_on_disk(trace: Trace, *, min_disk_kb: float = 1.0) -> Iterator[Finding]:
    """Find sorts that went through the disk.

    Args:
        trace: a block with plans.
        min_disk_kb: size on disk in kilobytes, all processes together.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for sort in plan.nodes():
            is_sort = sort.executed and sort.node_type in ("Sort", "Incremental Sort")
            disk_kb = _disk_kb(sort) if is_sort else 0.0
            if disk_kb >= max(1.0, min_disk_kb) and is_worth_a_line(_saving_ms(sort), duration_ms):
                yield _finding(trace, number, plan, sort, disk_kb)


def _disk_kb(sort: PlanNode) -> float:
    """Kilobytes on disk: the leader's, the workers', and the largest group of an incremental sort."""
    processes = [sort.attributes, *_mappings(sort.attributes.get("Workers"))]
    total = sum(
        _number(one.get("Sort Space Used")) for one in processes if one.get("Sort Space Type") == "Disk"
    )
    for key in ("Full-sort Groups", "Pre-sorted Groups"):
        for groups in _mappings([sort.attributes.get(key)]):
            for space in _mappings([groups.get("Sort Space Disk")]):
                total += _number(space.get("Peak Sort Space Used"))
    return total


def _mappings(values: object) -> list[Mapping[str, object]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _saving_ms(sort: PlanNode) -> float:
    """What the files took, where that was timed, else what memory alone saved elsewhere."""
    file_ms = temporary_file_ms(sort)
    return (sort.self_time_ms or 0.0) * _MEMORY_SAVING if file_ms is None else file_ms


def _finding(trace: Trace, number: int, plan: Plan, sort: PlanNode, disk_kb: float) -> Finding:
    saving_ms = saving_in_block(_saving_ms(sort), plan, trace)
    disk_mb = disk_kb * 1024 / 1e6
    words, *memory = memory_advice(disk_kb * _MEMORY_FACTOR)
    less = "Sort less: fewer columns, a filter or a LIMIT before the sort."
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"Sorting {about(sort)} rows went through {disk_mb:,.1f} MB on disk.",
        advice="\n".join([f"{less} {words}", *memory]),
        refutation=(
            "Refuted if the statement is as slow with the sort in memory: then the sort itself is the cost, "
            "not the disk."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(sort.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(own_time_words("sort", sort, plan),),
    )


def _sort(key: str, *, ms: float = 168, **said: Any) -> PlanNode:
    scan = node("Seq Scan", ms=8, rows=200_000, relation_name="orders")
    spilled = {"Sort_Method": "external merge", "Sort_Space_Type": "Disk", "Sort_Space_Used": 11_480}
    return node("Sort", scan, ms=ms, rows=200_000, Sort_Key=[key], **{**spilled, **said})


_IN_MEMORY: dict[str, Any] = {"Sort_Method": "quicksort", "Sort_Space_Type": "Memory"}
_WORKER = {"Sort Space Type": "Disk", "Sort Space Used": 9_000}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=sort_on_disk,
    yields_to=("avoidable-sort", "distinct-sort", "window-top1", "union-dedup"),
    fires_on=(
        planned_trace(_sort("orders.created_at")),
        planned_trace(_sort("(lower(orders.city))")),
        # Only a worker's part did not fit.
        planned_trace(
            _sort("orders.id", **_IN_MEMORY, Workers=[{"Sort Space Type": "Disk", "Sort Space Used": 9_000}])
        ),
    ),
    silent_on=(
        planned_trace(_sort("orders.created_at", **_IN_MEMORY)),
        planned_trace(_sort("orders.created_at", **{**_IN_MEMORY, "Sort_Method": "top-N heapsort"})),
        # Sorting takes next to none of the time.
        planned_trace(node("Aggregate", _sort("orders.created_at", ms=8.5), ms=900)),
        # A hash that spills is another matter.
        planned_trace(node("Hash", node("Seq Scan", ms=8), ms=80, Hash_Batches=8, Peak_Memory_Usage=4_096)),
    ),
)
