"""What SQLite's plans say, and what has to come from elsewhere: SQLite measures neither times nor rows.

A plan is judged where the block tells how long the statement took (`Plan.client_time_ms`) and the catalogue
how large the tables are (`Plan.tables`, by `relation_name`; `alias` is the name in the statement).
`node_type` is `SCAN` or `SEARCH` for a table, otherwise the words in capitals, such as
`USE TEMP B-TREE FOR ORDER BY`; `attributes["Detail"]` is SQLite's own line. Tables that are joined stand
side by side in the order of the loops: each is gone through once for every row of those before it.
"""

from collections.abc import Iterator

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import Arm
from perfkit.model.plan_dialects import name_in, statement_arms
from perfkit.model.trace import Trace


def sqlite_plans(trace: Trace, min_client_ms: float) -> Iterator[tuple[int, Plan, float]]:
    """The plans of statements that took their time, each with its number and milliseconds an execution."""
    for number, plan in enumerate(trace.plans or ()):
        is_slow = plan.client_time_ms is not None and plan.client_time_ms >= min_client_ms
        if plan.system_name == "sqlite" and is_slow:
            yield number, plan, plan.client_time_ms or 0.0


def detail(node: PlanNode) -> str:
    """SQLite's own line."""
    return str(node.attributes.get("Detail", ""))


def is_full_scan(node: PlanNode) -> bool:
    """Whether it goes through a whole table, by no index."""
    said = detail(node)
    return node.node_type == "SCAN" and " USING " not in said and "VIRTUAL TABLE" not in said


def table_rows(plan: Plan, node: PlanNode) -> float:
    """Rows of the table, 0 where the catalogue does not know it."""
    table = plan.table_of(node)
    return max(0.0, table.rows, table.live_rows or 0.0) if table else 0.0


def loops(plan: Plan, node: PlanNode) -> list[PlanNode]:
    """The tables that are joined with this one, itself included, the outermost loop first."""
    above = plan.parents.get(node.node_id)
    beside = above.children if above else (node,)
    return [item for item in beside if item.node_type in ("SCAN", "SEARCH")]


def rows_before(plan: Plan, node: PlanNode) -> float:
    """For how many rows of the loops around it a table is gone through, at most; 1 for the outermost."""
    rows = 1.0
    for item in loops(plan, node):
        if item is node:
            break
        if item.node_type == "SCAN":
            rows *= max(1.0, table_rows(plan, item))
    return rows


def answerable_arms(plan: Plan, node: PlanNode) -> tuple[Arm, ...]:
    """The conditions on a table that can be tested when it is read, before the tables after it."""
    beside = loops(plan, node)
    after = beside[beside.index(node) + 1 :] if node in beside else []
    return statement_arms(plan, node, "sqlite", frozenset(item.alias for item in after if item.alias))


def leads_an_index(plan: Plan, node: PlanNode, column: str) -> bool:
    """Whether the table has an index that begins with this column."""
    table = plan.table_of(node)
    firsts = (index.keys[0] for index in table.indexes if index.keys) if table else ()
    return column.strip('"').lower() in {first.strip('"').lower() for first in firsts}


def index_statement(node: PlanNode, columns: tuple[str, ...]) -> str:
    """The `CREATE INDEX` to paste; SQLite wants a name."""
    table = node.relation_name or ""
    plain = [column.removesuffix(" DESC").strip('"') for column in columns]
    name = name_in("_".join([table, *plain]), "sqlite")
    return f"CREATE INDEX {name} ON {name_in(table, 'sqlite')} ({', '.join(columns)});"


def correlated_around(plan: Plan, node: PlanNode) -> PlanNode | None:
    """The sub-query around a node that is run for each row outside it, if there is one."""
    above = plan.parents.get(node.node_id)
    while above is not None and not detail(above).startswith("CORRELATED"):
        above = plan.parents.get(above.node_id)
    return above


def returned_rows(trace: Trace, plan: Plan) -> float | None:
    """Rows that one execution returned on average; `None` where that was not seen."""
    counts = [
        span.returned_rows
        for span in trace.queries or ()
        if span.fingerprint == plan.fingerprint and span.returned_rows is not None
    ]
    return sum(counts) / len(counts) if counts and plan.fingerprint else None
