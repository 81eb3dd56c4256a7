"""A bitmap did not fit into memory and remembers whole pages instead of rows.

What it finds
    A bitmap scan that had to read whole pages and test every row on them again, because there was no memory
    to remember which rows of the page the index led to.

Why is this slow
    A bitmap has `work_mem`, 4 MB by default, about 64 bytes for each page of the table. Beyond that a page is
    kept as one bit, all of its rows are tested, and most of them are thrown away.

Example
    SELECT * FROM events WHERE kind BETWEEN 77 AND 500
    25,440 rows on 4,616 pages with too little memory: 215,508 rows are tested for nothing, 32 ms instead of
    10 ms.

Use instead
    An index that leads to fewer pages: one that holds all columns of the filter. Else memory for this
    transaction: SET LOCAL work_mem = '8MB'. Not for the server: every sort and hash of every connection may
    take as much.

Thresholds
    min_lossy_share (0.1): share of the pages that were remembered as a whole. A few cost next to nothing.
    min_removed_rows (1,000): rows that were tested and thrown away.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    All pages fit, or the rows on the other pages were wanted too. The index is a BRIN index, which
    remembers nothing but pages however much memory there is. It takes no time.
"""

import math
from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import (
    BITMAP_SCAN,
    index_of,
    index_scans,
    over_processes,
    recheck_removed,
    repeats,
    rows_read,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK209", "lossy-bitmap"
# `tbm_calculate_entries`: an entry of 48 bytes and room for two pointers.
_BYTES_A_PAGE = 64
# What came away in the example, where 89 % of the tested rows were thrown away and 69 % of the time went.
_TESTING_SHARE = 0.75


def lossy_bitmap(
    trace: Trace, *, min_lossy_share: float = 0.1, min_removed_rows: float = 1000
) -> Iterator[Finding]:
    """Find bitmaps that did not fit into memory.

    Args:
        trace: a block with plans.
        min_lossy_share: share of the pages that were remembered as a whole, from 0 to 1.
        min_removed_rows: rows that were tested again and thrown away, over all loops and processes.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            if scan.node_type != BITMAP_SCAN or recheck_removed(scan) < max(1.0, min_removed_rows):
                continue
            lossy, exact = _pages(scan)
            if exact <= 0 or lossy < min_lossy_share * (lossy + exact) or _is_brin(plan, scan):
                continue
            if is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan)


def _pages(scan: PlanNode) -> tuple[float, float]:
    """Pages that were remembered as a whole, and pages of which the rows were."""
    return over_processes(scan, "Lossy Heap Blocks"), over_processes(scan, "Exact Heap Blocks")


def _is_brin(plan: Plan, scan: PlanNode) -> bool:
    indexes = (index_of(plan, scan, part.index_name) for part in index_scans(scan))
    return any(index is not None and index.method == "brin" for index in indexes)


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * _TESTING_SHARE * recheck_removed(scan) / rows_read(scan)


def _memory(scan: PlanNode) -> str:
    """Memory in which all pages of one turn would fit, as `work_mem` wants it."""
    pages = sum(_pages(scan)) / max(1.0, repeats(scan))
    megabytes = math.ceil(pages * _BYTES_A_PAGE / 2**20)
    return f"{max(4, megabytes)}MB"


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    lossy, exact = _pages(scan)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"{table_name(scan)}: the bitmap of rows did not fit into memory; on {lossy:,.0f} of "
            f"{lossy + exact:,.0f} pages every row was tested, {about(scan, recheck_removed(scan))} in vain."
        ),
        advice=(
            "If an index can hold all columns of the filter, it leads to fewer pages. Else give this "
            f"transaction the memory.\nSET LOCAL work_mem = '{_memory(scan)}';"
        ),
        refutation=(
            "Refuted if the plan still shows lossy heap blocks with this memory, or if the statement takes "
            "as long without them."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Recheck Cond: {scan.attributes.get('Recheck Cond')}",
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(*, lossy: int, exact: int, removed: float, **said: Any) -> PlanNode:
    part = node("Bitmap Index Scan", ms=0.7, rows=25_440, index_name="events_kind")
    defaults: dict[str, Any] = {"ms": 33, "rows": 25_440, "relation_name": "events"}
    return node(
        BITMAP_SCAN, part, Lossy_Heap_Blocks=lossy, Exact_Heap_Blocks=exact,
        Rows_Removed_by_Index_Recheck=removed, **{**defaults, **said},
    )  # fmt: skip


_LOSSY = _scan(lossy=3_625, exact=991, removed=215_508)
_BRIN = example_table("events", indexes=(example_index("events_kind", "kind", method="brin"),))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=lossy_bitmap,
    fires_on=(
        planned_trace(_LOSSY),
        # The pages of a parallel scan stand with its processes.
        planned_trace(
            _scan(
                lossy=0, exact=300, removed=215_508,
                Workers=[{"Lossy Heap Blocks": 1_800, "Exact Heap Blocks": 350}],
            )
        ),
    ),
    silent_on=(
        # Everything fitted.
        planned_trace(_scan(lossy=0, exact=4_616, removed=0, ms=11)),
        # A few pages of many.
        planned_trace(_scan(lossy=80, exact=4_536, removed=4_000)),
        # All rows on these pages were wanted.
        planned_trace(_scan(lossy=3_625, exact=991, removed=0)),
        # BRIN remembers nothing but pages.
        planned_trace(_scan(lossy=4_616, exact=0, removed=215_508)),
        planned_trace(_LOSSY, tables=(_BRIN,)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _LOSSY, ms=4_000)),
    ),
)  # fmt: skip
