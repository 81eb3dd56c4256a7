"""An index answers only roughly, and most of the rows that it leads to do not fit.

What it finds
    An index scan whose rows were tested again with the very condition that the index was asked, and at
    least half of them thrown away, though the bitmap had memory enough.

Why is this slow
    Some indexes answer "perhaps". BRIN knows the smallest and largest value of a range of pages, GiST a box
    around a shape, pg_trgm the groups of three letters. All rows that may fit are fetched and tested.

Example
    SELECT * FROM events WHERE at = '2025-06-01 12:00'
    with a BRIN index with 1,024 pages a range: 99,327 rows are fetched for one.

Use instead
    CREATE INDEX ON events (at);
    a B-tree, where few rows are wanted. BRIN with a smaller `pages_per_range`, where large ranges are wanted
    and the rows lie in the order of the column. For GiST and GIN a condition that the index answers more
    exactly: a smaller box, a longer pattern.

Thresholds
    min_removed_share (0.5): share of the fetched rows that did not fit; an index that is wrong half of the
        time costs as much again as it must.
    min_removed_rows (1,000): rows thrown away over all loops and processes.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The bitmap did not fit into memory: lossy-bitmap speaks about that. Most rows fit. The filter threw the
    rows away, which is another condition. It takes no time.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import index_for_arms
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
    INDEX_SCANS,
    index_arms,
    index_of,
    index_scans,
    over_processes,
    recheck_removed,
    rows_read,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK210", "recheck-removed"
# For these a B-tree answers the same conditions exactly.
_REPLACED_BY_BTREE = ("brin", "hash", "btree")


def recheck_removed_rule(
    trace: Trace, *, min_removed_share: float = 0.5, min_removed_rows: float = 1000
) -> Iterator[Finding]:
    """Find indexes that lead to rows which do not fit what the index was asked.

    Args:
        trace: a block with plans.
        min_removed_share: share of the fetched rows that did not fit, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed = recheck_removed(scan)
            if scan.node_type not in (*INDEX_SCANS, BITMAP_SCAN) or removed < max(1.0, min_removed_rows):
                continue
            if removed < min_removed_share * rows_read(scan) or _lacked_memory(plan, scan):
                continue
            if is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan)


def _methods(plan: Plan, scan: PlanNode) -> set[str]:
    """The kinds of the indexes; nothing where the catalogue was not asked."""
    indexes = (index_of(plan, scan, part.index_name) for part in index_scans(scan))
    return {index.method for index in indexes if index is not None}


def _lacked_memory(plan: Plan, scan: PlanNode) -> bool:
    """Whether pages were remembered as a whole for want of memory. BRIN knows nothing but pages."""
    lossy, exact = over_processes(scan, "Lossy Heap Blocks"), over_processes(scan, "Exact Heap Blocks")
    return lossy > 0 and exact > 0 and "brin" not in _methods(plan, scan)


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * recheck_removed(scan) / rows_read(scan)


def _advice(plan: Plan, scan: PlanNode) -> str:
    methods = _methods(plan, scan)
    # Nothing but BRIN gives a bitmap of nothing but whole pages.
    is_brin = "brin" in methods or over_processes(scan, "Lossy Heap Blocks") > 0
    candidate = index_for_arms(scan, tuple(arm for arm in index_arms(scan) if arm.column))
    if candidate is not None and (is_brin or methods <= set(_REPLACED_BY_BTREE)):
        brin = " A BRIN index with a smaller pages_per_range is in between." if is_brin else ""
        return (
            "A B-tree leads to the fitting rows alone; it is larger. It is suggested, not proved."
            f"{brin}\n{candidate.statement}"
        )
    return (
        "Ask the index something that it answers more exactly: a smaller box, a longer pattern, a condition "
        "without corners; or add a condition on a plain column that has a B-tree."
    )


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    names = ", ".join(dict.fromkeys(part.index_name or "?" for part in index_scans(scan)))
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {names} leads to {about(scan, rows_read(scan))} rows, of which "
            f"{about(scan, recheck_removed(scan))} do not fit what it was asked."
        ),
        advice=_advice(plan, scan),
        refutation=(
            "Refuted if another index or condition leads to as many rows, or if usually far more of them are "
            "wanted than with these parameters."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            *(f"Index Cond: {part.attributes.get('Index Cond')}" for part in index_scans(scan)),
            own_time_words("scan", scan, plan),
        ),
    )


def _bitmap(*, lossy: int, exact: int, removed: float, rows: float = 1, **said: Any) -> PlanNode:
    part = node(
        "Bitmap Index Scan", ms=0.1, rows=10_240, index_name="events_at", Index_Cond="(events.at = 12345)"
    )
    defaults: dict[str, Any] = {"ms": 9, "rows": rows, "relation_name": "events"}
    return node(
        BITMAP_SCAN, part, Lossy_Heap_Blocks=lossy, Exact_Heap_Blocks=exact,
        Rows_Removed_by_Index_Recheck=removed, **{**defaults, **said},
    )  # fmt: skip


_BRIN = example_table("events", indexes=(example_index("events_at", "at", method="brin"),))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=recheck_removed_rule,
    fires_on=(
        planned_trace(_bitmap(lossy=1_024, exact=0, removed=99_327), tables=(_BRIN,)),
        # Nobody asked the catalogue.
        planned_trace(_bitmap(lossy=1_024, exact=0, removed=99_327)),
        # A box around a shape.
        planned_trace(
            node(
                "Index Scan", ms=40, rows=20, relation_name="places", index_name="places_area",
                Index_Cond="(places.area && '((0,0),(1,9),(9,1))'::polygon)",
                Rows_Removed_by_Index_Recheck=30_000,
            )
        ),
    ),
    silent_on=(
        # A bitmap without memory.
        planned_trace(_bitmap(lossy=3_625, exact=991, removed=215_508, rows=25_440)),
        # Most rows fit.
        planned_trace(_bitmap(lossy=2_048, exact=0, removed=98_655, rows=150_000, ms=50)),
        # Few rows.
        planned_trace(_bitmap(lossy=8, exact=0, removed=800)),
        # Another condition threw them away.
        planned_trace(_bitmap(lossy=0, exact=1_024, removed=0, rows_removed_by_filter=99_327)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _bitmap(lossy=1_024, exact=0, removed=99_327), ms=900)),
    ),
)  # fmt: skip
