"""An index finds the rows, and the table is visited for one or two small columns more.

What it finds
    Index scans that fetch each row from the table though the statement needs nothing but columns of the
    index and up to three small ones beside.

Why is this slow
    The entries lie together in the index, the rows lie all over the table: nearly every row costs a page.
    An index that holds the missing columns too answers alone.

Example
    SELECT sum(amount) FROM orders WHERE tenant_id = 7
    with an index on (tenant_id): 10,000 rows on 7,317 pages, 6.6 ms; from the index alone 31 pages, 0.6 ms.

Use instead
    CREATE INDEX ON orders (tenant_id) INCLUDE (amount);
    in place of the shorter index. It spares the table only where VACUUM has noted which pages everybody may
    see. Every UPDATE of an included column must change the index as well.

Thresholds
    max_extra_columns (3): columns that the index would take in; more make it a second table.
    max_extra_bytes (64): average bytes of these columns together.
    min_blocks_per_row (0.5): blocks touched for each row. Below that the rows lie together anyway.
    min_rows (1,000): rows fetched over all loops.
    min_time_share (0.2): the scan's own share of the execution time.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    More columns or wide ones are needed, as with SELECT *. A loop fetches a few rows at a time: then the way
    down the index costs as much. Such an index exists. The index is no B-tree. The catalogue was not asked,
    so nobody knows the columns of the index, or the plan was made without VERBOSE.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Column, Index, Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_columns import needed_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import BITMAP_SCAN, index_of, index_scans, rows_read
from perfkit.model.sql_names import quoted, unquoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK213", "covering-chance"
# What came away in the example.
_TABLE_SHARE = 0.9
# Fewer rows a loop cost less than the way down the index.
_MIN_ROWS_A_LOOP = 10


def covering_chance(
    trace: Trace,
    *,
    max_extra_columns: int = 3,
    max_extra_bytes: float = 64,
    min_blocks_per_row: float = 0.5,
    min_rows: float = 1000,
    min_time_share: float = 0.2,
) -> Iterator[Finding]:
    """Find index scans that visit the table for a few small columns.

    Args:
        trace: a block with plans.
        max_extra_columns: columns that the index would take in.
        max_extra_bytes: average bytes of these columns together.
        min_blocks_per_row: blocks touched for each row.
        min_rows: rows fetched over all loops.
        min_time_share: the scan's own share of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            own_ms, read = scan.self_time_ms or 0.0, rows_read(scan)
            if own_ms < min_time_share * duration_ms or not is_worth_a_line(
                own_ms * _TABLE_SHARE, duration_ms
            ):
                continue
            if read < max(1.0, min_rows, _MIN_ROWS_A_LOOP * (scan.actual_loops or 0)):
                continue
            index = _single_index(plan, scan)
            if index is None or scan.self_buffers.shared < min_blocks_per_row * read:
                continue
            extra = _extra_columns(plan, scan, index)
            width = sum(column.width_bytes for column in extra)
            if 1 <= len(extra) <= max_extra_columns and width <= max_extra_bytes:
                yield _finding(trace, number, plan, scan, _covering(scan, index, extra))


def _single_index(plan: Plan, scan: PlanNode) -> Index | None:
    """The one B-tree that a scan of the table uses."""
    if scan.node_type not in ("Index Scan", BITMAP_SCAN) or len(index_scans(scan)) != 1:
        return None
    index = index_of(plan, scan, index_scans(scan)[0].index_name)
    return index if index is not None and index.method == "btree" else None


def _extra_columns(plan: Plan, scan: PlanNode, index: Index) -> tuple[Column, ...]:
    """The columns that the index lacks; nothing where that cannot be told, or an index has them."""
    table, needed = plan.table_of(scan), needed_columns(plan, scan)
    if table is None or needed is None:
        return ()
    missing = sorted(needed.difference(index.keys, index.include))
    if _has_covering_index(table, index, missing):
        return ()
    columns = [table.column(unquoted(name)) for name in missing]
    return tuple(column for column in columns if column is not None) if None not in columns else ()


def _has_covering_index(table: Table, index: Index, missing: list[str]) -> bool:
    wanted = {*index.keys, *missing}
    return any(
        other.is_valid and other.keys[:1] == index.keys[:1] and wanted <= {*other.keys, *other.include}
        for other in table.indexes
    )


def _covering(scan: PlanNode, index: Index, extra: tuple[Column, ...]) -> str:
    keys = ", ".join(
        f"{key} DESC" if descending else key
        for key, descending in zip(index.keys, index.descending, strict=False)
    )
    added = ", ".join([*index.include, *(quoted(column.name) for column in extra)])
    where = f" WHERE {index.predicate}" if index.predicate else ""
    return f"CREATE INDEX ON {relation(scan)} ({keys}) INCLUDE ({added}){where};"


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, statement: str) -> Finding:
    own_ms = scan.self_time_ms or 0.0
    saving_ms = saving_in_block(own_ms * _TABLE_SHARE, plan, trace)
    name = index_scans(scan)[0].index_name
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {scan.self_buffers.shared:,} blocks are touched for "
            f"{about(scan, rows_read(scan))} rows, for columns that {name} could hold."
        ),
        advice=(
            "An index that holds these columns too answers without the table. It is suggested, not proved, "
            "and needs VACUUM to have run. The shorter index is needed no more, unless it enforces "
            f"uniqueness.\n{statement}\nVACUUM {relation(scan)};"
        ),
        refutation=(
            "Refuted if the plan shows no index-only scan with the index in place, or many heap fetches: on "
            "a table that changes all the time the visits stay, and each change costs more."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"The scan itself took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",),
    )


_COLUMNS = (
    Column("id", "integer", 4),
    Column("tenant_id", "integer", 4),
    Column("amount", "integer", 4),
    Column("payload", "text", 150),
)
_INDEX = example_index("orders_tenant_id", "tenant_id")
_COVERING = example_index("both", "tenant_id", include=("amount",))
_HASH = example_index("orders_tenant_id", "tenant_id", method="hash")
_ORDERS = example_table("orders", columns=_COLUMNS, indexes=(_INDEX,))
_COVERED_ORDERS = example_table("orders", columns=_COLUMNS, indexes=(_INDEX, _COVERING))
_HASHED_ORDERS = example_table("orders", columns=_COLUMNS, indexes=(_HASH,))
_WHOLE_ROWS = ["orders.id", "orders.tenant_id", "orders.amount", "orders.payload"]


def _scan(output: list[str], **said: Any) -> PlanNode:
    defaults: dict[str, Any] = {"ms": 7, "rows": 10_000, "shared_hit_blocks": 7_317}
    return node(
        "Index Scan", relation_name="orders", index_name="orders_tenant_id", Output=output,
        Index_Cond="(orders.tenant_id = 7)", **{**defaults, **said},
    )  # fmt: skip


_AMOUNT = _scan(["orders.amount"])
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=covering_chance,
    yields_to=("inefficient-index", "wrong-index-order-by"),
    fires_on=(
        planned_trace(_AMOUNT, tables=(_ORDERS,)),
        # The scan hands on whole rows, of which one column is used.
        planned_trace(
            node("Aggregate", _scan(_WHOLE_ROWS), ms=8, Output=["sum(orders.amount)"]), tables=(_ORDERS,)
        ),
    ),
    silent_on=(
        # Whole rows are wanted.
        planned_trace(_scan(_WHOLE_ROWS), tables=(_ORDERS,)),
        # The rows lie together.
        planned_trace(_scan(["orders.amount"], shared_hit_blocks=300), tables=(_ORDERS,)),
        # A few rows a loop: the way down the index costs as much.
        planned_trace(node(
                "Nested Loop",
                node("Seq Scan", ms=1, rows=3_000),
                _scan(["orders.amount"], loops=3_000, rows=2, ms=0.002),
                ms=9,
                Output=["orders.amount"],
            ), tables=(_ORDERS,)),
        # Such an index exists.
        planned_trace(_AMOUNT, tables=(_COVERED_ORDERS,)),
        # Nobody asked the catalogue.
        planned_trace(_AMOUNT),
        # No B-tree.
        planned_trace(_AMOUNT, tables=(_HASHED_ORDERS,)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _AMOUNT, ms=900, Output=["orders.amount"]), tables=(_ORDERS,)),
    ),
)  # fmt: skip
