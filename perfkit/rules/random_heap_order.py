"""Rows are fetched through an index in an order that has nothing to do with where they lie.

What it finds
    Scans of an index that touch about one page of the table for each row, thousands of times.

Why is this slow
    A page holds some tens of rows. In the order of the index each row lies on another page, so every page
    is visited many times, and from a disk it is read many times.

Example
    SELECT * FROM events ORDER BY user_id LIMIT 20000
    20,057 blocks are touched for 20,000 rows, 22.5 ms; after CLUSTER 403 blocks, 2.6 ms, all in memory.

Use instead
    An index that holds all the columns that are needed, where these are few. CLUSTER events USING
    events_user_id; where most statements ask in this order: it writes the table anew in the order of the
    index, locks it meanwhile, and is not kept up afterwards.

Thresholds
    min_rows (10,000): rows fetched over all loops and processes.
    min_blocks_per_row (0.5): blocks touched for each row; where rows lie in order it is a tenth or less.
    max_correlation (0.5): how far the rows may lie in the order of the index's first column, from 0 to 1,
        where the statistics tell.
    min_time_share (0.2): the scan's own share of the execution time.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The rows lie in order, or a bitmap put the pages in order. Each loop fetches a few rows, as a join by key
    does. The filter throws most rows away: a better index is the remedy. All is in memory and takes no time.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Column, Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import index_of, removed_share, rows_read
from perfkit.model.sql_names import quoted, unquoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK215", "random-heap-order"
# What came away in the example, with all pages in memory.
_JUMPING_SHARE = 0.85
# Fewer rows a loop cost less than the way down the index.
_MIN_ROWS_A_LOOP = 100
_MAX_REMOVED_SHARE = 0.9


def random_heap_order(
    trace: Trace,
    *,
    min_rows: float = 10_000,
    min_blocks_per_row: float = 0.5,
    max_correlation: float = 0.5,
    min_time_share: float = 0.2,
) -> Iterator[Finding]:
    """Find index scans that jump about in the table.

    Args:
        trace: a block with plans.
        min_rows: rows fetched over all loops and processes.
        min_blocks_per_row: blocks touched for each row.
        max_correlation: correlation of the index's first column with the order of the rows, from 0 to 1.
        min_time_share: the scan's own share of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            own_ms, read = scan.self_time_ms or 0.0, rows_read(scan)
            if scan.node_type != "Index Scan" or own_ms < min_time_share * duration_ms:
                continue
            if read < max(1.0, min_rows, _MIN_ROWS_A_LOOP * (scan.actual_loops or 0)):
                continue
            jumps = scan.self_buffers.shared >= min_blocks_per_row * read
            if not jumps or removed_share(scan) >= _MAX_REMOVED_SHARE:
                continue
            is_worth = is_worth_a_line(own_ms * _JUMPING_SHARE, duration_ms)
            if is_worth and _correlation(plan, scan) <= max_correlation:
                yield _finding(trace, number, plan, scan)


def _correlation(plan: Plan, scan: PlanNode) -> float:
    """How well the rows lie in the order of the index's first column, from 0 to 1; 0 if nobody knows."""
    index, table = index_of(plan, scan), plan.table_of(scan)
    if index is None or table is None or not index.keys:
        return 0.0
    column = table.column(unquoted(index.keys[0]))
    return abs(column.correlation or 0.0) if column is not None else 0.0


def _advice(plan: Plan, scan: PlanNode) -> str:
    index = index_of(plan, scan)
    words = "Ask for fewer rows, or for few columns and let the index hold them (INCLUDE)."
    if index is not None and (index.predicate or index.method != "btree"):
        return words
    return (
        f"{words} If most statements ask in this order, the table can be written anew in it: that locks the "
        "table meanwhile and is not kept up.\n"
        f"CLUSTER {relation(scan)} USING {quoted(scan.index_name or '')};"
    )


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    own_ms = scan.self_time_ms or 0.0
    saving_ms = saving_in_block(own_ms * _JUMPING_SHARE, plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"{table_name(scan)}: {scan.self_buffers.shared:,} blocks are touched for "
            f"{about(scan, rows_read(scan))} rows: in the order of {scan.index_name} they lie "
            "all over the table."
        ),
        advice=_advice(plan, scan),
        refutation=(
            "Refuted if the statement takes as long after CLUSTER, or if other statements, which are fast "
            "now because of how the rows lie, matter more."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Blocks: {scan.self_buffers.shared_hit:,} in memory, {scan.self_buffers.shared_read:,} read.",
            f"The scan itself took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _scan(**said: Any) -> PlanNode:
    defaults: dict[str, Any] = {
        "ms": 23, "rows": 20_000, "shared_hit_blocks": 20_057, "relation_name": "events",
        "index_name": "events_user_id",
    }  # fmt: skip
    return node("Index Scan", **{**defaults, **said})


def _events(correlation: float) -> Table:
    index = example_index("events_user_id", "user_id")
    column = Column("user_id", "integer", correlation=correlation)
    return example_table("events", columns=(column,), indexes=(index,))


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=random_heap_order,
    yields_to=("covering-chance", "inefficient-index", "wrong-index-order-by", "index-prefix-skipped"),
    fires_on=(
        planned_trace(_scan()),
        planned_trace(_scan(), tables=(_events(0.02),)),
    ),
    silent_on=(
        # The rows lie together.
        planned_trace(_scan(shared_hit_blocks=403, ms=3)),
        # Blocks of something else: the rows do lie in this order.
        planned_trace(_scan(), tables=(_events(0.98),)),
        # A join by key.
        planned_trace(
            node(
                "Nested Loop",
                node("Seq Scan", ms=1, rows=20_000),
                _scan(loops=20_000, rows=1, ms=0.002),
                ms=50,
            )
        ),
        # The filter throws nearly all of them away.
        planned_trace(_scan(rows=20, rows_removed_by_filter=19_980)),
        # A bitmap puts the pages in order.
        planned_trace(node("Bitmap Heap Scan", ms=23, rows=20_000, shared_hit_blocks=11_000)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(), ms=900)),
    ),
)  # fmt: skip
