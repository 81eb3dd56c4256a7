"""OFFSET reads all the rows of the pages before, and throws them away.

What it finds
    A LIMIT below which far more rows were read than it returned, as OFFSET does.

Why is this slow
    The database cannot jump to row 500,000: it finds the first 500,000 rows in order and counts them. Each
    further page takes longer than the one before it. Rows that are added meanwhile move all pages, so that
    some rows are seen twice and others never.

Example
    SELECT * FROM orders ORDER BY created_at, id LIMIT 10 OFFSET 500000
    reads 500,010 rows to return 10.

Use instead
    SELECT * FROM orders WHERE (created_at, id) > (:last_created_at, :last_id)
    ORDER BY created_at, id LIMIT 10
    with the values of the last row of the page before, and an index on (created_at, id). The last column
    must be unique. Only jumping to any page by its number is not possible in this way.

Thresholds
    min_skipped_rows (1,000): rows that were read and thrown away.
    min_skipped_factor (10): rows thrown away for each row returned (reference notes on EXPLAIN, rule 25,
        after pganalyze's Large Offset).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The page is one of the first. A LIMIT without OFFSET stops what is below it, and returns all it got.
    Skipping takes next to none of the time, or it never ran.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import SortColumn, sort_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import scan_below
from perfkit.model.scan_builders import known_index, known_table, plan_trace
from perfkit.model.sql_order import asked_order
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK230", "large-offset"
_CONFIDENCE = 0.85


def large_offset(
    trace: Trace, *, min_skipped_rows: float = 1_000, min_skipped_factor: float = 10
) -> Iterator[Finding]:
    """Find LIMITs that skipped many rows.

    Args:
        trace: a block with plans.
        min_skipped_rows: rows that were read and thrown away.
        min_skipped_factor: rows thrown away for each row returned.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for limit in plan.nodes():
            below = _below(limit)
            if below is None:
                continue
            kept = limit.total_rows or 0.0
            skipped = (below.total_rows or 0.0) - kept
            if skipped < max(min_skipped_rows, min_skipped_factor * kept):
                continue
            saving_ms = (below.total_time_ms or 0.0) * skipped / (skipped + kept)
            if is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, number, plan, limit, saving_ms)


def _below(limit: PlanNode) -> PlanNode | None:
    if limit.node_type != "Limit" or not limit.executed:
        return None
    return next((child for child in limit.children if child.parent_relationship == "Outer"), None)


def _finding(trace: Trace, number: int, plan: Plan, limit: PlanNode, saving_ms: float) -> Finding:
    below = _below(limit) or limit
    saving_ms = saving_in_block(saving_ms, plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"OFFSET: {about(below)} rows are read to return {about(limit)}, "
            "and each further page reads more."
        ),
        advice=_advice(plan, below, max(1.0, limit.actual_rows or 0.0)),
        refutation=(
            "Refuted if people must be able to jump to any page by its number, or if the statement is as "
            "slow without OFFSET because it has to sort all rows each time."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(limit.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"What is below took {below.total_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _advice(plan: Plan, below: PlanNode, page: float) -> str:
    words = (
        "Go on after the last row of the page before: compare the columns of ORDER BY with its values. The "
        "last of them must be unique, so that no row is lost between two pages."
    )
    scan = scan_below(below)
    order = (sort_columns(below, scan) if scan is not None else ()) or asked_order(plan.query_text)
    if not order or len({(key.descending, key.nulls) for key in order}) > 1 or order[0].nulls:
        return (
            f"{words}\nWHERE (created_at, id) > (:last_created_at, :last_id) "
            f"ORDER BY created_at, id LIMIT {page:,.0f}"
        )
    columns = [key.column for key in order]
    columns += [column for column in _unique(plan, scan, columns) if column not in columns]
    return f"{words}\n{_after(columns, order[0], page)}{_index(plan, scan, columns)}"


def _after(columns: list[str], first: SortColumn, page: float) -> str:
    sign, direction = ("<", " DESC") if first.descending else (">", "")
    last = [f":last_{column}".replace('"', "").replace(" ", "_") for column in columns]
    row, values = ", ".join(columns), ", ".join(last)
    condition = f"({row}) {sign} ({values})" if len(columns) > 1 else f"{row} {sign} {values}"
    order = ", ".join(column + direction for column in columns)
    return f"WHERE {condition} ORDER BY {order} LIMIT {page:.0f}"


def _unique(plan: Plan, scan: PlanNode | None, columns: list[str]) -> tuple[str, ...]:
    """The columns of the table's shortest unique index, unless the order has those of one already."""
    table = plan.table_of(scan) if scan is not None else None
    found = [index.keys for index in table.indexes if index.is_unique and index.is_valid] if table else []
    if any(set(keys) <= set(columns) for keys in found):
        return ()
    return min(found, key=len, default=())


def _index(plan: Plan, scan: PlanNode | None, columns: list[str]) -> str:
    """The index to make, empty where one in this order is there."""
    table = plan.table_of(scan) if scan is not None else None
    if scan is None or any(
        list(index.keys[: len(columns)]) == columns for index in (table.indexes if table else ())
    ):
        return ""
    return f"\nCREATE INDEX ON {relation(scan)} ({', '.join(columns)});"


def _page(*, skipped: float = 500_000, ms: float = 150, rows: float = 10, **said: object) -> PlanNode:
    scan = node("Index Scan", ms=ms, rows=skipped + rows, relation_name="orders", index_name="by_id")
    return node("Limit", scan, ms=ms + 1, rows=rows)


def _sorted(key: str) -> PlanNode:
    scan = node("Seq Scan", ms=40, rows=600_000, relation_name="orders")
    return node("Limit", node("Sort", scan, ms=190, rows=500_010, Sort_Key=[key]), ms=200, rows=10)


_ORDERS = known_table(
    {"id": "integer", "created_at": "timestamp"}, known_index("id", is_unique=True), relation_name="orders"
)
_BY_ID = "SELECT * FROM orders ORDER BY id LIMIT 10 OFFSET ?"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=large_offset,
    fires_on=(
        plan_trace(_page(), _ORDERS, query_text=_BY_ID),
        plan_trace(_sorted("orders.created_at DESC"), _ORDERS),
        # A pasted plan says enough.
        planned_trace(_page()),
        # Beyond the last row.
        planned_trace(_page(rows=0)),
    ),
    silent_on=(
        # One of the first pages.
        planned_trace(_page(skipped=90)),
        # No OFFSET: it stopped what is below it.
        planned_trace(_page(skipped=0)),
        # A large page.
        planned_trace(_page(skipped=2_000, rows=1_000)),
        # It takes next to none of the time.
        planned_trace(node("Append", _page(ms=0.5), node("Seq Scan", ms=60), ms=61)),
        # It never ran.
        planned_trace(node("Append", node("Limit", node("Seq Scan", loops=0), loops=0), ms=40)),
    ),
)
