"""SQLite reads a whole table and sorts it, though only the first rows are wanted.

What it finds
    A slow statement with ORDER BY and LIMIT on a large table, whose order SQLite makes itself.

Why is this slow
    Without an index in this order every row has to be read before the first one is known, however small the
    LIMIT is. With one, SQLite reads the first rows and stops.

Example
    SELECT * FROM orders ORDER BY created_at DESC LIMIT 10
    SCAN orders, USE TEMP B-TREE FOR ORDER BY: 200,000 rows are read for 10.

Use instead
    CREATE INDEX orders_created_at ON orders (created_at);
    With a condition, its equality columns come first: (status, created_at).

Thresholds
    min_client_ms (10): what one execution took in the program, in milliseconds; SQLite measures nothing.
    min_rows (10,000): rows of the table.

Stays silent when
    There is no LIMIT: reading 200,000 rows in the order of an index took 324 ms in our measurement, sorting
    them 359 ms. The order is that of an expression or of several tables. SQLite sorts only within groups
    (RIGHT PART OF, LAST TERMS). The statement is fast, or its time or the table's rows are not known.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_dialects import index_columns, order_columns, select_of, statement_arms
from perfkit.model.plan_savings import saving_in_block
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.sqlite_plan import (
    detail,
    index_statement,
    is_full_scan,
    leads_an_index,
    loops,
    sqlite_plans,
    table_rows,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK292", "sqlite-temp-b-tree"
_SORT = "USE TEMP B-TREE FOR ORDER BY"


def sqlite_temp_b_tree(
    trace: Trace, *, min_client_ms: float = 10.0, min_rows: float = 10_000
) -> Iterator[Finding]:
    """Find tables that are sorted for their first rows.

    Args:
        trace: a block with plans.
        min_client_ms: what one execution took in the program, in milliseconds.
        min_rows: rows of the table.
    """
    for number, plan, client_ms in sqlite_plans(trace, min_client_ms):
        for sort in plan.nodes():
            scan = _sorted_scan(plan, sort)
            if scan is None or table_rows(plan, scan) < max(1.0, min_rows):
                continue
            columns = _columns(plan, scan)
            if columns and not leads_an_index(plan, scan, columns[0].removesuffix(" DESC")):
                yield _finding(trace, number, plan, sort, scan, client_ms, columns)


def _sorted_scan(plan: Plan, sort: PlanNode) -> PlanNode | None:
    """The one table whose rows a sort orders, if all of it is read for that."""
    if detail(sort) != _SORT:
        return None
    tables = loops(plan, sort)
    return tables[0] if len(tables) == 1 and is_full_scan(tables[0]) else None


def _columns(plan: Plan, scan: PlanNode) -> tuple[str, ...]:
    select = select_of(plan, scan, "sqlite")
    if select is None or not select.args.get("limit") or select.args.get("group"):
        return ()
    order, arms = order_columns(plan, scan, "sqlite"), statement_arms(plan, scan, "sqlite")
    is_equal = any(arm.kind == "equality" and arm.column for arm in arms)
    return (index_columns(arms, "sqlite", order) if is_equal else order) if order else ()


def _finding(
    trace: Trace,
    number: int,
    plan: Plan,
    sort: PlanNode,
    scan: PlanNode,
    client_ms: float,
    columns: tuple[str, ...],
) -> Finding:
    saving_ms, rows = saving_in_block(client_ms, plan, trace), table_rows(plan, scan)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{scan.relation_name}: {rows:,.0f} rows are read and sorted for the first ones.",
        advice=(
            "An index in this order gives the first rows at once. It is suggested, not proved.\n"
            f"{index_statement(scan, columns)}"
        ),
        refutation=(
            "Refuted if SQLite still sorts with the index in place, or if next to no row meets the "
            "condition: then all of them are read all the same."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(scan.node_id, sort.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=(detail(sort), f"The statement took {client_ms:,.1f} ms in the program, on average."),
    )


_LATEST = "SELECT * FROM orders ORDER BY created_at DESC LIMIT 10"
_TREE = line(_SORT)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=("sqlite",),
    judges_unmeasured=True,
    needs_client_time=True,
    check=sqlite_temp_b_tree,
    fires_on=(
        sqlite_trace(_LATEST, line("SCAN orders"), _TREE),
        sqlite_trace(
            "SELECT o.id FROM orders o WHERE o.status = ? ORDER BY o.amount, o.id DESC LIMIT ?",
            line("SCAN o", relation="orders"),
            _TREE,
        ),
    ),
    silent_on=(
        # All rows are wanted: an index would not be faster.
        sqlite_trace(
            "SELECT * FROM orders ORDER BY created_at", line("SCAN orders"), _TREE, ms=359, returned=200_000
        ),
        # Fast enough.
        sqlite_trace(_LATEST, line("SCAN orders"), _TREE, ms=4),
        # The order of an expression.
        sqlite_trace("SELECT * FROM orders ORDER BY lower(note) LIMIT 10", line("SCAN orders"), _TREE),
        # Only within groups that come in order.
        sqlite_trace(
            _LATEST, line("SCAN orders USING INDEX a"), line("USE TEMP B-TREE FOR LAST TERM OF ORDER BY")
        ),
        # A join: which table leads is not ours to say.
        sqlite_trace(
            "SELECT * FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.amount LIMIT 10",
            line("SCAN o", relation="orders"),
            line("SEARCH u USING INTEGER PRIMARY KEY (rowid=?)", relation="users"),
            _TREE,
        ),
        # Nobody knows the tables.
        sqlite_trace(_LATEST, line("SCAN orders"), _TREE, known=False),
    ),
)
