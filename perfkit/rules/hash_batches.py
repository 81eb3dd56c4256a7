"""A hash join whose hash did not fit into memory and went through the disk in batches.

What it finds
    A hash that was split into batches, all but one of which were written to temporary files, together with
    the rows of the other side that belong to them.

Why is this slow
    Both sides of the join are written to disk and read again. On a machine with memory to spare these files
    stay in the operating system's cache: there, more memory for the hash saved nothing in our measurements,
    or even cost time. It hurts where the disk is slow, or many statements write such files at once.

Example
    SELECT * FROM orders JOIN users ON users.id = orders.user_id
    All columns of 800,000 users are hashed: 117 MB in 16 batches.

Use instead
    Hash less: only the columns that are needed, and a filter on the hashed side before the join. Where the
    number of batches grew while the join ran, correct the estimate first: ANALYZE users; Only then more
    memory for this one transaction: SET LOCAL work_mem = '64MB'; and compare.

Thresholds
    min_batches (2): batches from which it is a finding. Any spill counts, as in pev2.
    min_time_share (0.1): what hash and join took of the execution time; depesz starts to colour at 10 %.

Stays silent when
    The hash fits into memory. It never ran. Hash and join take little of the time. The planner hashed the
    larger side by a wrong estimate, or each worker hashes the same rows: these are the causes.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_memory import memory_advice, spilled_mb, temporary_file_ms, work_mem_kb
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_scans import over_processes
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK240", "hash-batches"


def hash_batches(trace: Trace, *, min_batches: int = 2, min_time_share: float = 0.1) -> Iterator[Finding]:
    """Find hashes that went through the disk.

    Args:
        trace: a block with plans.
        min_batches: batches from which it is a finding.
        min_time_share: what hash and join took of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            join = plan.parents.get(item.node_id)
            if item.node_type != "Hash" or not item.executed or join is None:
                continue
            own_ms = (item.self_time_ms or 0.0) + (join.self_time_ms or 0.0)
            is_costly = own_ms >= min_time_share * duration_ms and is_worth_a_line(own_ms, duration_ms)
            if _batches(item) >= max(2, min_batches) and is_costly:
                yield _finding(trace, number, plan, item, join)


def _batches(item: PlanNode) -> float:
    value = item.attributes.get("Hash Batches")
    return float(value) if isinstance(value, int | float) else 1.0


def _rows(item: PlanNode) -> str:
    """Rows in one hash: workers share one that is parallel, else each has its own."""
    shared = item.attributes.get("Parallel Aware") is True
    return about(item) if shared else f"{item.actual_rows or 0.0:,.0f}"


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, join: PlanNode) -> Finding:
    file_ms = temporary_file_ms(item, join)
    saving_ms = None if file_ms is None else saving_in_block(file_ms, plan, trace)
    own_ms = (item.self_time_ms or 0.0) + (join.self_time_ms or 0.0)
    times = "were not timed" if file_ms is None else f"took {file_ms:,.1f} ms"
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=(
            f"A hash of {_rows(item)} rows went through the disk in {_batches(item):,.0f} "
            f"batches: {spilled_mb(item, join):,.1f} MB."
        ),
        advice=_advice(plan, item),
        refutation=(
            "Refuted if the join is as fast or faster in batches: files that stay in the operating system's "
            "cache cost little, and a hash that fits the processor's cache is searched faster."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(item.node_id, join.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Hash and join took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms; the files {times}.",
        ),
    )


def _advice(plan: Plan, item: PlanNode) -> str:
    lines, statements = ["Hash less: fewer columns, and a filter on the hashed side before the join."], []
    original = over_processes(item, "Original Hash Batches")
    if 0 < original < _batches(item):
        lines.append(
            f"{counted(original, 'batch was', 'batches were')} planned: more rows or wider ones came "
            "than expected, so refresh the statistics first."
        )
        tables = dict.fromkeys(relation(scan) for scan in item.walk() if scan.relation_name)
        statements += [f"ANALYZE {table};" for table in tables]
    peak_kb = over_processes(item, "Peak Memory Usage") or work_mem_kb(plan)
    words, *memory = memory_advice(min(work_mem_kb(plan), peak_kb) * _batches(item))
    return "\n".join([" ".join([*lines, words]), *statements, *memory])


def _join(batches: int, *, ms: float = 300, original: int | None = None, files_ms: float = 0.0) -> PlanNode:
    times: dict[str, Any] = {"Temp_I/O_Read_Time": files_ms, "Temp_I/O_Write_Time": 0.0} if files_ms else {}
    hashed = node(
        "Hash",
        node("Seq Scan", ms=25, rows=150_000, relation_name="users"),
        ms=70,
        rows=150_000,
        temp_written_blocks=1_208 * (batches > 1),
        Hash_Batches=batches,
        Original_Hash_Batches=original or batches,
        Peak_Memory_Usage=4_683,
    )
    scan = node("Seq Scan", ms=60, rows=270_000, relation_name="orders")
    written = 1_905 * (batches > 1)
    return node("Hash Join", scan, hashed, ms=ms, rows=270_000, temp_written_blocks=written, **times)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=hash_batches,
    yields_to=("hash-wrong-side", "duplicated-parallel-build"),
    fires_on=(
        planned_trace(_join(4), name="the files were not timed"),
        planned_trace(_join(4, files_ms=80.0), name="the files took time"),
        planned_trace(_join(16, original=1), name="more rows than expected"),
    ),
    silent_on=(
        planned_trace(_join(1), name="it fits into memory"),
        planned_trace(node("Sort", _join(4, ms=140), ms=5_000), name="the time goes elsewhere"),
        planned_trace(
            node(
                "Hash Join", node("Seq Scan", ms=60, rows=0, relation_name="orders"),
                node("Hash", loops=0, rows=0), ms=61,
            ),
            name="never hashed, as the other side was empty",
        ),
    ),
)  # fmt: skip
