"""SQLite builds an index for this one statement, and throws it away afterwards.

What it finds
    A slow statement with an automatic index on a large table.

Why is this slow
    Where a join has no index, SQLite may build one for itself. That reads and sorts the whole table, at
    every execution, before the first row comes.

Example
    SELECT count(*) FROM users LEFT JOIN orders ON orders.user_id = users.id WHERE users.city = 3
    SEARCH orders USING AUTOMATIC COVERING INDEX (user_id=?): 120 ms for 200,000 orders.

Use instead
    CREATE INDEX orders_user_id ON orders (user_id);
    once, and every statement has it.

Thresholds
    min_client_ms (10): what one execution took in the program, in milliseconds; SQLite measures nothing.
    min_rows (1,000): rows of the table. A smaller one is indexed in about a millisecond.
    The saving is 0.5 µs for each row of the table, which is the least that building took in our measurements
    of 50,000 to 500,000 rows (0.6 to 1.6 µs).

Stays silent when
    The statement is fast, or its time or the table's rows are not known. The index is on the result of a
    sub-query, which none that is kept can serve.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_dialects import name_in
from perfkit.model.plan_savings import saving_in_block
from perfkit.model.sqlite_builders import line, sqlite_trace
from perfkit.model.sqlite_plan import detail, index_statement, sqlite_plans, table_rows
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK291", "sqlite-automatic-index"
_TERMS = re.compile(r"USING AUTOMATIC (?:PARTIAL )?(?:COVERING )?INDEX \((?P<terms>.*)\)")
_BUILD_MS_PER_ROW = 0.0005
_COLUMN = re.compile(r"(?P<column>[^=<> ]+)[=<>]")


def sqlite_automatic_index(
    trace: Trace, *, min_client_ms: float = 10.0, min_rows: float = 1_000
) -> Iterator[Finding]:
    """Find statements for which SQLite builds an index.

    Args:
        trace: a block with plans.
        min_client_ms: what one execution took in the program, in milliseconds.
        min_rows: rows of the table.
    """
    for number, plan, client_ms in sqlite_plans(trace, min_client_ms):
        for search in plan.nodes():
            match = _TERMS.search(detail(search))
            if match and table_rows(plan, search) >= max(1.0, min_rows):
                columns = tuple(name_in(name, "sqlite") for name in _COLUMN.findall(match["terms"]))
                yield _finding(trace, number, plan, search, client_ms, columns)


def _finding(
    trace: Trace, number: int, plan: Plan, search: PlanNode, client_ms: float, columns: tuple[str, ...]
) -> Finding:
    built_ms = min(client_ms, _BUILD_MS_PER_ROW * table_rows(plan, search))
    saving_ms = saving_in_block(built_ms, plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{search.relation_name}: an index over {table_rows(plan, search):,.0f} rows is built for this "
            "statement alone."
        ),
        advice=(
            "Keep such an index, so that no statement has to build it. It is suggested, not proved.\n"
            f"{index_statement(search, columns)}"
        ),
        refutation=(
            "Refuted if the statement is as slow with the index in place: then building it was the smaller "
            "part."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(search.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(detail(search), f"The statement took {client_ms:,.1f} ms in the program, on average."),
    )


_JOIN = "SELECT count(*) FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.city = 3"
_BUILT = line("SEARCH o USING AUTOMATIC COVERING INDEX (user_id=?) LEFT-JOIN", relation="orders")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=("sqlite",),
    judges_unmeasured=True,
    needs_client_time=True,
    check=sqlite_automatic_index,
    fires_on=(
        sqlite_trace(_JOIN, line("SCAN u", relation="users"), _BUILT, ms=120, returned=1),
        sqlite_trace(
            "SELECT * FROM tags t JOIN orders o ON o.user_id = t.id AND o.amount > t.label",
            line("SCAN t", relation="tags"),
            line("SEARCH o USING AUTOMATIC COVERING INDEX (user_id=? AND amount>?)", relation="orders"),
        ),
    ),
    silent_on=(
        # Soon built.
        sqlite_trace(_JOIN, line("SCAN u", relation="users"), _BUILT, ms=3),
        # A small table: the time goes elsewhere.
        sqlite_trace(
            "SELECT * FROM orders o JOIN tags t ON t.label = o.amount",
            line("SCAN o", relation="orders"),
            line("SEARCH t USING AUTOMATIC COVERING INDEX (label=?)", relation="tags"),
        ),
        # The result of a sub-query.
        sqlite_trace(
            "WITH x AS (SELECT user_id, sum(amount) AS s FROM orders GROUP BY 1) SELECT * FROM users u "
            "JOIN x ON x.user_id = u.id",
            line("SEARCH x USING AUTOMATIC COVERING INDEX (user_id=?)"),
        ),
        # Nobody knows the tables.
        sqlite_trace(_JOIN, _BUILT, known=False),
    ),
)
