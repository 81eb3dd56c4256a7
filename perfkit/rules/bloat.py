"""A table is read that consists mostly of empty or dead space.

What it finds
    A sequential scan over at least four times as many pages as its rows would fill.

Why is this slow
    UPDATE and DELETE leave the old versions of rows behind. VACUUM lets their place be used again, but gives
    hardly any back: a table that was large once stays large, and a scan reads all of its pages.

Example
    SELECT count(*) FROM jobs
    of a queue that holds 2,000 rows after millions were deleted: 1,728 pages are read where 33 are enough.

Use instead
    VACUUM jobs; first, if the space is still taken by dead rows. What is empty goes with VACUUM FULL jobs;
    which locks the table while it is written anew, or with the extension pg_repack, which does not.

Thresholds
    min_factor (4): pages read for each page that the rows would fill. Tables in use are at 1.2 to 2.
    min_blocks (1,000): pages read, 8 MB.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The rows are wide and fill their pages: the average width comes from the statistics, never from how many
    rows a filter removed. A LIMIT stopped the scan. The table is small or has no statistics, or the catalogue
    was not asked.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Column, Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import repeats, rows_read
from perfkit.model.plan_shape import is_stopped_by_limit
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK214", "bloat"
# A page of 8 kB without its header; each row has a header of 24 bytes and a pointer of 4.
_PAGE_BYTES, _ROW_BYTES = 8168, 28
# What came away with 95 % of the pages of a table in memory; from a disk it is more.
_READING_SHARE = 0.75


def bloat(trace: Trace, *, min_factor: float = 4.0, min_blocks: float = 1000) -> Iterator[Finding]:
    """Find scans of tables that are mostly empty.

    Args:
        trace: a block with plans.
        min_factor: pages read for each page that the rows would fill.
        min_blocks: pages read in one turn.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            table = plan.table_of(scan)
            if scan.node_type != "Seq Scan" or not scan.executed or table is None or not table.is_analyzed:
                continue
            pages, filled = _pages(scan, table), _filled_pages(scan, table)
            if pages < max(min_blocks, min_factor * filled) or is_stopped_by_limit(plan, scan):
                continue
            saving_ms = (scan.self_time_ms or 0.0) * _READING_SHARE * (1 - filled / pages)
            if is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, number, plan, scan, table, saving_ms)


def _pages(scan: PlanNode, table: Table) -> float:
    """Pages of the table read in one turn. What is stored outside it (TOAST) is not meant."""
    read = scan.self_buffers.shared / max(1.0, repeats(scan))
    return min(read, table.pages) if table.pages > 0 and read > 0 else max(read, table.pages)


def _filled_pages(scan: PlanNode, table: Table) -> float:
    """Pages that the rows of one turn would fill."""
    rows = rows_read(scan) / max(1.0, repeats(scan))
    return max(1.0, rows * (table.row_bytes + _ROW_BYTES) / _PAGE_BYTES)


def _finding(
    trace: Trace, number: int, plan: Plan, scan: PlanNode, table: Table, saving_ms: float
) -> Finding:
    saving_ms = saving_in_block(saving_ms, plan, trace)
    name, dead = relation(scan), table.dead_rows or 0.0
    first = (
        f"It holds {dead:,.0f} dead rows: VACUUM lets their space be used again. "
        if dead > rows_read(scan) / max(1.0, repeats(scan))
        else ""
    )
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"{table_name(scan)}: {_pages(scan, table):,.0f} pages are read; its rows would fill "
            f"{_filled_pages(scan, table):,.0f}."
        ),
        advice=(
            f"{first}Writing the table anew gives the empty pages back. VACUUM FULL locks it meanwhile; the "
            f"extension pg_repack does not.\nVACUUM (VERBOSE, ANALYZE) {name};\nVACUUM FULL {name};"
        ),
        refutation=(
            "Refuted if the table has as many pages after VACUUM FULL (then rows are wider than the "
            "statistics say, or its fillfactor is below 25), or if it soon grows to this size again."
        ),
        confidence=0.75,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Average row: {table.row_bytes} bytes. Dead rows: {dead:,.0f}.",
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(**said: Any) -> PlanNode:
    defaults: dict[str, Any] = {"ms": 6, "rows": 7_500, "shared_hit_blocks": 6_000, "relation_name": "jobs"}
    return node("Seq Scan", **{**defaults, **said})


def _jobs(*, bytes_: int = 150, **said: Any) -> Table:
    defaults: dict[str, Any] = {"pages": 6_000, "is_analyzed": True}
    return example_table("jobs", columns=(Column("payload", "text", bytes_),), **{**defaults, **said})


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=bloat,
    fires_on=(
        planned_trace(_scan(), tables=(_jobs(),)),
        planned_trace(_scan(), tables=(_jobs(dead_rows=290_000.0),)),
    ),
    silent_on=(
        # Wide rows fill the pages.
        planned_trace(_scan(), tables=(_jobs(bytes_=4_000),)),
        # Read from end to end for a few rows, which is another matter.
        planned_trace(_scan(rows=5, rows_removed_by_filter=290_000), tables=(_jobs(),)),
        # Twice as many pages as needed.
        planned_trace(_scan(rows=130_000), tables=(_jobs(),)),
        # A small table.
        planned_trace(_scan(rows=10, shared_hit_blocks=600, ms=1.5), tables=(_jobs(pages=600),)),
        # A LIMIT stopped the scan.
        planned_trace(node("Limit", _scan(), ms=6, rows=7_500), tables=(_jobs(),)),
        # Most blocks were those of long values outside of the table.
        planned_trace(_scan(), tables=(_jobs(pages=200),)),
        # No statistics, so nobody knows how wide a row is; or nobody asked.
        planned_trace(_scan(), tables=(_jobs(is_analyzed=False),)),
        planned_trace(_scan()),
    ),
)  # fmt: skip
