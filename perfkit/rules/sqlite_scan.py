"""SQLite goes through a whole table to find a few of its rows.

What it finds
    A slow statement that scans a large table by no index, though it compares one of its columns with a
    value, or with a column of a table that is read before it.

Why is this slow
    Without an index that fits the condition, every row is read and tested; for the second table of a join,
    once for every row of the first.

Example
    SELECT * FROM orders WHERE status = 'refunded'
    SCAN orders: 200,000 rows are read, 200 come back.

Use instead
    CREATE INDEX orders_status ON orders (status);
    Columns that are compared for equality first, then those of ORDER BY if there is a LIMIT, then one range.

Thresholds
    min_client_ms (10): what one execution took in the program, in milliseconds; SQLite measures nothing.
    min_rows (10,000): rows of the table, or, for the second table of a join, pairs of rows.
    max_kept_share (0.1): rows that the statement returned, as a share of the table's; above, reading
        everything is often the fastest way.

Stays silent when
    The statement is fast, or its time or the table's rows are not known. Many rows come back. No index on a
    plain column answers the condition, or one is there. Within a sub-query that runs for each row: that is
    another rule's. Where rows are counted or grouped, or a LIMIT cuts them off, nobody saw how many passed:
    then it says "worth it" where the statement is most of the block, and else no more than "info".
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_dialects import (
    index_columns,
    is_summed_up,
    order_columns,
    select_of,
)
from perfkit.model.plan_savings import saving_in_block
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.sqlite_plan import (
    answerable_arms,
    correlated_around,
    index_statement,
    is_full_scan,
    leads_an_index,
    loops,
    returned_rows,
    rows_before,
    sqlite_plans,
    table_rows,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK290", "sqlite-scan"


def sqlite_scan(
    trace: Trace, *, min_client_ms: float = 10.0, min_rows: float = 10_000, max_kept_share: float = 0.1
) -> Iterator[Finding]:
    """Find scans of a large table that an index would spare.

    Args:
        trace: a block with plans.
        min_client_ms: what one execution took in the program, in milliseconds.
        min_rows: rows of the table, or pairs of rows of a join.
        max_kept_share: rows that the statement returned, as a share of the table's, from 0 to 1.
    """
    for number, plan, client_ms in sqlite_plans(trace, min_client_ms):
        returned = returned_rows(trace, plan)
        for scan in plan.nodes():
            rows = table_rows(plan, scan)
            if not is_full_scan(scan) or rows * rows_before(plan, scan) < max(1.0, min_rows):
                continue
            columns = _columns(plan, scan)
            is_selective = returned is None or returned <= max_kept_share * rows * rows_before(plan, scan)
            if columns and is_selective and correlated_around(plan, scan) is None:
                yield _finding(trace, number, plan, scan, client_ms, columns)


def _columns(plan: Plan, scan: PlanNode) -> tuple[str, ...]:
    """Columns of an index that would be used, empty where there is none, or one that was not taken."""
    select = select_of(plan, scan, "sqlite")
    order = order_columns(plan, scan, "sqlite") if select is not None and select.args.get("limit") else ()
    columns = index_columns(answerable_arms(plan, scan), "sqlite", order)
    return () if columns and leads_an_index(plan, scan, columns[0]) else columns


def _finding(
    trace: Trace, number: int, plan: Plan, scan: PlanNode, client_ms: float, columns: tuple[str, ...]
) -> Finding:
    rows, before = table_rows(plan, scan), rows_before(plan, scan)
    is_alone = len(loops(plan, scan)) == 1
    saving_ms = saving_in_block(client_ms, plan, trace) if is_alone else None
    select, returned = select_of(plan, scan, "sqlite"), returned_rows(trace, plan)
    is_seen = returned is not None and not is_summed_up(select)
    severity = severity_of(saving_ms or 0.0, trace, grows_with_data=True)
    if not is_seen:
        severity = "worth it" if severity == "fix now" else "info"
    each = f" for each of up to {before:,.0f} rows" if before > 1 else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity,
        message=f"{scan.relation_name}: all {rows:,.0f} rows are read{each}.",
        advice=(
            "An index on the columns of the condition would lead straight to the rows. It is suggested, not "
            f"proved.\n{index_statement(scan, columns)}"
        ),
        refutation=(
            "Refuted if SQLite still scans the table with the index in place and after PRAGMA optimize, or "
            "if more than a tenth of the rows meet the condition."
        ),
        confidence=0.7 if is_seen else 0.4,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"The statement took {client_ms:,.1f} ms in the program, on average.",),
    )


_BY_STATUS = "SELECT * FROM orders WHERE status = ?"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=("sqlite",),
    judges_unmeasured=True,
    needs_client_time=True,
    check=sqlite_scan,
    yields_to=("sqlite-temp-b-tree",),
    fires_on=(
        sqlite_trace(_BY_STATUS, line("SCAN orders")),
        sqlite_trace(
            "SELECT o.id FROM orders o WHERE o.amount > :low AND note LIKE '%x%'",
            line("SCAN o", relation="orders"),
        ),
        # The second table of a join, for each row of the first.
        sqlite_trace(
            "SELECT u.name FROM tags t JOIN users u ON u.city = t.label",
            line("SCAN t", relation="tags"),
            line("SCAN u", relation="users"),
        ),
    ),
    silent_on=(
        # The first table of a join: what it is compared with is read after it.
        sqlite_trace(
            "SELECT o.id FROM orders o JOIN users u ON u.id = o.user_id",
            line("SCAN o", relation="orders"),
            line("SEARCH u USING INTEGER PRIMARY KEY (rowid=?)", relation="users"),
        ),
        # Fast enough.
        sqlite_trace(_BY_STATUS, line("SCAN orders"), ms=4),
        # Most of the table comes back.
        sqlite_trace(_BY_STATUS, line("SCAN orders"), returned=150_000),
        # A small table: the time goes elsewhere.
        sqlite_trace("SELECT * FROM tags WHERE label = 3", line("SCAN tags")),
        # Nobody knows the tables, or the time.
        sqlite_trace(_BY_STATUS, line("SCAN orders"), known=False),
        sqlite_trace(_BY_STATUS, line("SCAN orders"), ms=None),
        # No index on a plain column answers it.
        sqlite_trace("SELECT * FROM orders WHERE lower(status) = 'paid'", line("SCAN orders")),
        # All rows are wanted.
        sqlite_trace("SELECT * FROM orders", line("SCAN orders"), returned=200_000),
        # It goes through an index.
        sqlite_trace(_BY_STATUS, line("SEARCH orders USING INDEX orders_status (status=?)")),
    ),
)
