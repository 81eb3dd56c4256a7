"""A sub-query goes through a whole table for each row outside it.

What it finds
    A slow statement with a correlated sub-query that scans a table by no index.

Why is this slow
    The sub-query runs once for each row around it, and each run reads the whole table: a thousand users and
    a hundred thousand orders are a hundred million rows.

Example
    SELECT name, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) FROM users u
    CORRELATED SCALAR SUBQUERY 1, below it SCAN o.

Use instead
    CREATE INDEX orders_user_id ON orders (user_id);
    or go through the table once:
    SELECT name, n FROM users LEFT JOIN (SELECT user_id, count(*) AS n FROM orders GROUP BY 1) ON user_id = id

Thresholds
    min_client_ms (10): what one execution took in the program, in milliseconds; SQLite measures nothing.
    min_visits (100,000): rows outside times rows of the table. Rows outside are those of the tables that are
        scanned there; where they are searched, those that the statement returned.

Stays silent when
    The statement is fast, or its time or the table's rows are not known. The sub-query searches by an index,
    or no plain column of its table is compared with anything.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_dialects import index_columns
from perfkit.model.plan_savings import saving_in_block
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.sqlite_plan import (
    answerable_arms,
    correlated_around,
    detail,
    index_statement,
    is_full_scan,
    leads_an_index,
    loops,
    returned_rows,
    sqlite_plans,
    table_rows,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK293", "sqlite-correlated-scan"


def sqlite_correlated_scan(
    trace: Trace, *, min_client_ms: float = 10.0, min_visits: float = 100_000
) -> Iterator[Finding]:
    """Find sub-queries that go through a table for each row outside them.

    Args:
        trace: a block with plans.
        min_client_ms: what one execution took in the program, in milliseconds.
        min_visits: rows outside times rows of the table.
    """
    for number, plan, client_ms in sqlite_plans(trace, min_client_ms):
        for scan in plan.nodes():
            around = correlated_around(plan, scan) if is_full_scan(scan) else None
            if around is None:
                continue
            outside = _rows_outside(trace, plan, around)
            columns = index_columns(answerable_arms(plan, scan), "sqlite")
            is_missing = columns and not leads_an_index(plan, scan, columns[0])
            if is_missing and outside * table_rows(plan, scan) >= max(1.0, min_visits):
                yield _finding(trace, number, plan, scan, outside, columns, client_ms)


def _rows_outside(trace: Trace, plan: Plan, around: PlanNode) -> float:
    """For how many rows the sub-query runs, at most."""
    rows = 1.0
    for item in loops(plan, around):
        rows *= max(1.0, table_rows(plan, item)) if item.node_type == "SCAN" else 1.0
    return rows if rows > 1 else max(1.0, returned_rows(trace, plan) or 0.0)


def _finding(
    trace: Trace,
    number: int,
    plan: Plan,
    scan: PlanNode,
    outside: float,
    columns: tuple[str, ...],
    client_ms: float,
) -> Finding:
    saving_ms = saving_in_block(client_ms * (1 - 1 / max(2.0, outside)), plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{scan.relation_name}: all {table_rows(plan, scan):,.0f} rows are read for each of up to "
            f"{outside:,.0f} rows outside the sub-query."
        ),
        advice=(
            "An index on the column that ties the sub-query to the outside ends that; or go through the "
            "table once, with a JOIN to the grouped rows. The index is suggested, not proved.\n"
            f"{index_statement(scan, columns)}"
        ),
        refutation=(
            "Refuted if SQLite still scans the table with the index in place, or if few rows reach the "
            "sub-query and the time goes elsewhere."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(detail(scan), f"The statement took {client_ms:,.1f} ms in the program, on average."),
    )


_COUNTS = "SELECT u.name, (SELECT count(*) FROM orders o WHERE o.user_id = u.id) FROM users u"
_OUTSIDE = line("SCAN u", relation="users")
_SCANNING = line("CORRELATED SCALAR SUBQUERY 1", line("SCAN o", relation="orders"))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=("sqlite",),
    judges_unmeasured=True,
    needs_client_time=True,
    check=sqlite_correlated_scan,
    fires_on=(
        sqlite_trace(_COUNTS, _OUTSIDE, _SCANNING, ms=9_000, returned=5_000),
        # Thirty users, found by their key.
        sqlite_trace(
            f"{_COUNTS} WHERE u.id < 31",
            line("SEARCH u USING INTEGER PRIMARY KEY (rowid<?)", relation="users"),
            _SCANNING,
            ms=350,
            returned=30,
        ),
    ),
    silent_on=(
        # Fast enough.
        sqlite_trace(_COUNTS, _OUTSIDE, _SCANNING, ms=4),
        # It searches by an index.
        sqlite_trace(
            _COUNTS,
            _OUTSIDE,
            line(
                "CORRELATED SCALAR SUBQUERY 1", line("SEARCH o USING INDEX a (user_id=?)", relation="orders")
            ),
        ),
        # A small table.
        sqlite_trace(
            "SELECT o.id, (SELECT label FROM tags t WHERE t.id = o.amount) FROM orders o WHERE o.id = 3",
            line("SEARCH o USING INTEGER PRIMARY KEY (rowid=?)", relation="orders"),
            line("CORRELATED SCALAR SUBQUERY 1", line("SCAN t", relation="tags")),
        ),
        # It runs once: nothing ties it to the outside.
        sqlite_trace(
            "SELECT u.name, (SELECT max(amount) FROM orders WHERE status = 'paid') FROM users u",
            _OUTSIDE,
            line("SCALAR SUBQUERY 1", line("SCAN orders")),
        ),
        # Nobody knows the tables.
        sqlite_trace(_COUNTS, _OUTSIDE, _SCANNING, ms=9_000, known=False),
    ),
)
