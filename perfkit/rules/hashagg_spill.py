"""Grouping did not fit into memory and went through the disk.

What it finds
    A hash aggregate that wrote rows to temporary files, in the main process or in a parallel worker.

Why is this slow
    Once the memory is full of groups, every row of another group is written to a file, read again later, and
    perhaps written again. On a machine with memory to spare these files stay in the operating system's
    cache: there, more memory saved 0 to 10 % in our measurements. It hurts where the disk is slow or shared.

Example
    SELECT user_id, min(note) FROM orders GROUP BY user_id
    800,000 groups: 128 MB in files.

Use instead
    Group less: filter before grouping, leave wide columns out of it and join them afterwards. For the groups
    of plain columns of one table, an index on them gives the rows in order, and grouping needs no memory:
    CREATE INDEX ON orders (user_id) INCLUDE (note); Then more memory for this one transaction: SET LOCAL
    work_mem = '64MB'; and compare.

Thresholds
    min_disk_kb (1): kilobytes on disk from which it is a finding, all processes together. Any spill counts.
    min_time_share (0.1): what grouping took of the execution time; depesz starts to colour at 10 %.

Stays silent when
    The groups fit into memory: partitions that were only planned are no spill. It never ran. Grouping takes
    little of the time. Rows are sorted for grouping: a sort on disk is another finding.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_memory import (
    hash_multiplier,
    memory_advice,
    most_said,
    temporary_file_ms,
)
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_scans import over_processes
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK241", "hashagg-spill"
# What a group takes beside its values: 93 bytes with two aggregates in our measurement on PostgreSQL 18.
_GROUP_BYTES = 100
_WRONG_FACTOR = 10


def hashagg_spill(
    trace: Trace, *, min_disk_kb: float = 1.0, min_time_share: float = 0.1
) -> Iterator[Finding]:
    """Find hash aggregates that went through the disk.

    Args:
        trace: a block with plans.
        min_disk_kb: size on disk in kilobytes, all processes together.
        min_time_share: what grouping took of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            own_ms = item.self_time_ms or 0.0
            if item.node_type != "Aggregate" or not item.executed or own_ms < min_time_share * duration_ms:
                continue
            disk_kb = over_processes(item, "Disk Usage")
            if disk_kb >= max(1.0, min_disk_kb) and is_worth_a_line(own_ms, duration_ms):
                yield _finding(trace, number, plan, item, disk_kb)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, disk_kb: float) -> Finding:
    file_ms = temporary_file_ms(item)
    saving_ms = None if file_ms is None else saving_in_block(file_ms, plan, trace)
    times = "were not timed" if file_ms is None else f"took {file_ms:,.1f} ms"
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=(f"Grouping into {about(item)} groups went through {disk_kb * 1024 / 1e6:,.1f} MB on disk."),
        advice=_advice(plan, item),
        refutation=(
            "Refuted if grouping is as slow in memory: files that stay in the operating system's cache "
            "cost little. An index on the groups is used only where few columns are wanted, or rows "
            "lie in its order."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Grouping took {item.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms; the "
            f"files {times}.",
        ),
    )


def _advice(plan: Plan, item: PlanNode) -> str:
    lines = ["Group less: filter before grouping, and join wide columns afterwards."]
    statements = []
    if (item.actual_rows or 0.0) >= _WRONG_FACTOR * (item.plan_rows or 1.0):
        lines.append(f"{item.plan_rows or 0:,.0f} groups were expected, so refresh the statistics first.")
        tables = dict.fromkeys(relation(scan) for scan in item.walk() if scan.relation_name)
        statements += [f"ANALYZE {table};" for table in tables]
    peak_kb = most_said(item, "Peak Memory Usage")
    groups_kb = (item.total_rows or 0.0) * ((item.plan_width or 0) + _GROUP_BYTES) / 1024
    words, *memory = memory_advice(groups_kb / hash_multiplier(plan, peak_kb))
    return "\n".join([" ".join([*lines, words]), *statements, *memory])


def _groups(*, ms: float = 300, planned: float = 200_000, **said: Any) -> PlanNode:
    scan = node("Seq Scan", ms=37, rows=300_000, relation_name="orders")
    spilled: dict[str, Any] = {
        "Strategy": "Hashed",
        "HashAgg_Batches": 9,
        "Disk_Usage": 7_688,
        "Peak_Memory_Usage": 5_457,
    }
    return node(
        "Aggregate", scan, ms=ms, rows=200_000, planned=planned, plan_width=40,
        Group_Key=["orders.user_id"], **{**spilled, **said},
    )  # fmt: skip


_FITS: dict[str, Any] = {"HashAgg_Batches": 1, "Disk_Usage": 0}
_FILES: dict[str, Any] = {"Temp_I/O_Read_Time": 40.0, "Temp_I/O_Write_Time": 30.0}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=hashagg_spill,
    fires_on=(
        planned_trace(_groups(), name="the files were not timed"),
        planned_trace(_groups(planned=200, **_FILES), name="few groups expected, and the files took time"),
        planned_trace(
            _groups(**_FITS, Workers=[{"HashAgg Batches": 5, "Disk Usage": 4_000}]),
            name="only a worker's part did not fit",
        ),
    ),
    silent_on=(
        planned_trace(_groups(**_FITS), name="it fits into memory"),
        planned_trace(_groups(**_FITS, Planned_Partitions=8), name="partitions were planned and not needed"),
        planned_trace(node("Sort", _groups(), ms=9_000), name="the time goes elsewhere"),
    ),
)
