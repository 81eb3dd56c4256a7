"""A scan waits for the disk, not for the processor.

What it finds
    A node that spent half of its time reading blocks that were not in the server's memory, or, where reading
    was not timed, one that read most of its blocks from outside of it.

Why is this slow
    A block in memory takes a microsecond, one from a disk a hundred or more. The first run after a restart
    always waits; a run that waits every time reads more than fits into the memory, or a table that is read
    too seldom to stay there.

Example
    SELECT count(*) FROM documents on a table of 160 MB: each run reads it anew, as PostgreSQL lets no scan
    of a large table push everything else out of its memory.

Use instead
    Explain the statement a second time: if it no longer waits, the first run was cold. Else read fewer
    blocks: an index that leads to the rows or covers the columns, narrower rows, fewer of them. Then more
    memory (shared_buffers).

Thresholds
    min_wait_share (0.5): share of the node's own time that it waited for blocks, where that was timed
        (track_io_timing).
    min_read_share (0.1), min_read_blocks (1,000): share and number of blocks of 8 kB from outside of the
        server's memory, where it was not timed: nine hits in ten are common (reference notes on EXPLAIN,
        rule 53).
    min_time_share (0.3), min_block_ms (0.05): the node's own share of the execution time, and its time for
        each of these blocks, where it was not timed. From the operating system's memory a block took 0.004 ms
        in our measurement, and looking at its rows some hundredths.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The blocks were in the server's memory, or the operating system had them, so that reading took no time.
    The processor is what takes the time. Another rule knows why so many blocks are read.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_io import READS, own_io_ms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, own_time_words, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK256", "io-bound"
_BLOCK_BYTES = 8192


def io_bound(
    trace: Trace,
    *,
    min_wait_share: float = 0.5,
    min_read_share: float = 0.1,
    min_read_blocks: int = 1000,
    min_time_share: float = 0.3,
    min_block_ms: float = 0.05,
) -> Iterator[Finding]:
    """Find nodes that wait for the disk.

    Args:
        trace: a block with plans.
        min_wait_share: share of the node's own time that it waited, from 0 to 1, where that was timed.
        min_read_share: share of the blocks from outside of the server's memory, from 0 to 1.
        min_read_blocks: number of these blocks.
        min_time_share: the node's own share of the execution time, from 0 to 1, where waiting was not timed.
        min_block_ms: the node's own milliseconds for each of these blocks, where waiting was not timed.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            own_ms, wait_ms = item.self_time_ms or 0.0, own_io_ms(item, READS)
            if not is_worth_a_line(own_ms if wait_ms is None else wait_ms, duration_ms):
                continue
            if wait_ms is not None:
                is_waiting = wait_ms >= min_wait_share * own_ms
            else:
                is_costly = own_ms >= min_time_share * duration_ms
                is_waiting = is_costly and _seems_to_wait(item, min_read_share, min_read_blocks, min_block_ms)
            if is_waiting:
                yield _finding(trace, number, plan, item, wait_ms)


def _seems_to_wait(item: PlanNode, min_share: float, min_blocks: int, min_block_ms: float) -> bool:
    """Whether so many blocks came from outside, and so slowly, that it was hardly another memory."""
    blocks = item.self_buffers
    is_slow = (item.self_time_ms or 0.0) >= min_block_ms * blocks.shared_read
    return is_slow and blocks.shared_read >= max(1, min_blocks, min_share * blocks.shared)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, wait_ms: float | None) -> Finding:
    saving_ms = (
        None if wait_ms is None else saving_in_block(min(wait_ms, item.self_time_ms or 0.0), plan, trace)
    )
    blocks = item.self_buffers
    shown = item.relation_name or item.index_name or item.node_type
    size_mb = blocks.shared_read * _BLOCK_BYTES / 1e6
    waited = f"waited {wait_ms:,.1f} ms for" if wait_ms is not None else "read"
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=(
            f"{shown}: {waited} {blocks.shared_read:,} blocks ({size_mb:,.1f} MB) that were not "
            "in the server's memory."
        ),
        advice=_advice(timed=wait_ms is not None),
        refutation=(
            "Refuted if the same statement, explained again, no longer waits: then the first run was cold."
            if wait_ms is not None
            else "Refuted if the blocks come from the operating system's memory, which takes next to no "
            "time: track_io_timing tells."
        ),
        confidence=0.6 if wait_ms is not None else 0.3,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"{blocks.shared_hit:,} blocks were in memory, {blocks.shared_read:,} were not.",
            own_time_words("node", item, plan),
        ),
    )


def _advice(*, timed: bool) -> str:
    if not timed:
        return (
            "Let the database time what it reads, and explain the statement twice: a first run may be cold.\n"
            "SET track_io_timing = on;"
        )
    return (
        "Explain the statement once more. If it waits again, read fewer blocks: an index that leads to the "
        "rows or covers the columns, narrower rows, fewer of them. Only then more memory, if the table is "
        "small against the machine's.\nSHOW shared_buffers;"
    )


def _scan(*, ms: float = 60, hit: int = 100, read: int = 9_900, **said: Any) -> PlanNode:
    blocks = {"shared_hit_blocks": hit, "shared_read_blocks": read}
    return node("Seq Scan", ms=ms, rows=10_000, relation_name="documents", **blocks, **said)


_TIMED: dict[str, Any] = {"Shared_I/O_Read_Time": 45.0}
_TIMED_BEFORE_17: dict[str, Any] = {"I/O_Read_Time": 45.0}
_NEXT_TO_NOTHING: dict[str, Any] = {"Shared_I/O_Read_Time": 2.0}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=io_bound,
    yields_to=(
        "selective-seq-scan",
        "inefficient-index",
        "bloat",
        "heap-fetches",
        "random-heap-order",
        "index-prefix-skipped",
        "full-index-scan",
    ),
    fires_on=(
        planned_trace(_scan(**_TIMED), name="it waited"),
        planned_trace(node("Aggregate", _scan(**_TIMED_BEFORE_17), ms=70), name="before PostgreSQL 17"),
        planned_trace(_scan(ms=900), name="not timed, and slow for what it read"),
    ),
    silent_on=(
        planned_trace(_scan(**_NEXT_TO_NOTHING), name="the operating system had the blocks"),
        planned_trace(_scan(hit=10_000, read=0), name="all in memory"),
        planned_trace(_scan(ms=900, hit=99_000, read=1_500), name="nearly all in memory"),
        planned_trace(_scan(ms=900, hit=0, read=40), name="a small table"),
        planned_trace(_scan(), name="not timed, and fast for what it read"),
        planned_trace(node("Sort", _scan(ms=900), ms=9_000), name="the time goes elsewhere"),
    ),
)
