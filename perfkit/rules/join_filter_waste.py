"""A nested loop that compares every row of one side with every row of the other.

What it finds
    A nested loop whose join condition threw away nearly all pairs of rows, though the condition is an
    equality, which an index could answer.

Why is this slow
    For each row of the outer side all rows of the inner side are looked at. At ten times the rows on both
    sides it takes a hundred times as long. An index on the inner side leads straight to the matches.

Example
    SELECT … FROM carts JOIN products ON products.code = ANY (carts.codes)
    300 carts and 5,000 products: 1,499,400 pairs are thrown away.

Use instead
    CREATE INDEX ON products (code);
    For an equality of two plain columns the planner would have hashed one side, had it expected as many rows:
    there, see whether the estimate of the outer side is right as well.

Thresholds
    min_removed_rows (100,000): pairs of rows that the condition threw away, over all loops.
    min_removed_factor (10): thrown away for each pair that was kept (reference notes on EXPLAIN, rule 35).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The condition has no equality with a plain column of one side: a join by inequality, by OR or by an
    expression has to compare. An index on the column exists. Most pairs are kept. The side is no table, so it
    can have no index. The loop takes too little of the time, or an index would not be faster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_joins import LOOK_UP_MS, equal_columns, join_sides, rows_removed_by_join
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK244", "join-filter-waste"
_MAX_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class _LookUp:
    """A table to search by an index on these columns, and what that would save in milliseconds."""

    scan: PlanNode
    columns: tuple[str, ...]
    saving_ms: float


def join_filter_waste(
    trace: Trace, *, min_removed_rows: float = 100_000.0, min_removed_factor: float = 10.0
) -> Iterator[Finding]:
    """Find nested loops that compare all pairs for an equality.

    Args:
        trace: a block with plans.
        min_removed_rows: pairs of rows that the condition threw away, over all loops.
        min_removed_factor: thrown away for each pair that was kept.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for join in plan.nodes():
            removed = rows_removed_by_join(join)
            is_wasteful = removed >= max(1.0, min_removed_rows, min_removed_factor * (join.total_rows or 0.0))
            look_up = _look_up(plan, join) if is_wasteful and join.node_type == "Nested Loop" else None
            if look_up is not None and is_worth_a_line(look_up.saving_ms, duration_ms):
                yield _finding(trace, number, plan, join, look_up)


def _look_up(plan: Plan, join: PlanNode) -> _LookUp | None:
    """The table in which an index would find the matches; the planner may also turn an inner join round."""
    sides = join_sides(join)
    if sides is None:
        return None
    is_inner = join.attributes.get("Join Type", "Inner") == "Inner"
    for searched, other in (sides[::-1], sides) if is_inner else (sides[::-1],):
        scans = [item for item in searched.walk() if item.relation_name]
        columns = equal_columns(scans[0], join.attributes.get("Join Filter")) if len(scans) == 1 else []
        if _has_index(plan, scans, columns):
            return None  # and is not used, so the condition is none that an index answers
        if columns:
            rows = other.total_rows if other is sides[0] else other.actual_rows
            looped_ms = (join.total_time_ms or 0.0) - (sides[0].total_time_ms or 0.0)
            return _LookUp(scans[0], tuple(columns[:_MAX_COLUMNS]), looped_ms - (rows or 0.0) * LOOK_UP_MS)
    return None


def _has_index(plan: Plan, scans: list[PlanNode], columns: list[str]) -> bool:
    tables = [table for scan in scans if (table := plan.table_of(scan)) is not None]
    indexes = [index for table in tables for index in table.indexes if index.is_valid and index.keys]
    return any(key in columns for index in indexes for key in index.keys[:1])


def _finding(trace: Trace, number: int, plan: Plan, join: PlanNode, look_up: _LookUp) -> Finding:
    removed, kept = rows_removed_by_join(join), join.total_rows or 0.0
    pairs = about(join, removed + kept, "pair")
    scan, saving_ms = look_up.scan, saving_in_block(look_up.saving_ms, plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{table_name(scan)}: {pairs} of rows are compared to keep {about(join)}.",
        advice=(
            "An index on the column of the join would lead straight to the matches. It is suggested, not "
            "proved: create it, then explain the statement again.\n"
            f"CREATE INDEX ON {relation(scan)} ({', '.join(look_up.columns)});"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place: then look at how many rows the "
            "planner expects on the outer side."
        ),
        confidence=0.75,
        location=plan.call_site,
        offenders=(scan.node_id, join.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Join Filter: {join.attributes.get('Join Filter')}",
            f"The join took {join.total_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _loop(
    condition: str, *, kind: str = "Seq Scan", ms: float = 40, rows: float = 3, name: str = "orders"
) -> PlanNode:
    users = node("Seq Scan", ms=1, rows=100, relation_name="users")
    table: dict[str, Any] = {"relation_name": name} if name else {}
    orders = node(kind, ms=0.2, rows=2_000, alias="orders", **table)
    kept = node("Materialize", orders, ms=0.1, rows=2_000, loops=100)
    return node(
        "Nested Loop", users, kept, ms=ms, rows=rows, Join_Filter=condition,
        Rows_Removed_by_Join_Filter=200_000 - rows,
    )  # fmt: skip


_BY_USER = example_index("by_user", "user_id")
_EQUAL = "(users.id = orders.user_id)"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=join_filter_waste,
    yields_to=("seq-scan-in-loop", "or-across-tables"),
    fires_on=(
        planned_trace(_loop(_EQUAL), name="an equality"),
        planned_trace(
            _loop("((orders.user_id = users.id) AND (orders.at > users.since))"),
            name="an equality and a range",
        ),
    ),
    silent_on=(
        planned_trace(_loop("(orders.at > users.since)"), name="an inequality has to compare"),
        planned_trace(_loop("((orders.user_id = users.id) OR (orders.payer_id = users.id))"), name="an OR"),
        planned_trace(_loop(_EQUAL, rows=150_000), name="most pairs are kept"),
        planned_trace(
            _loop("(lower(users.name) = orders.name)", kind="CTE Scan", name=""),
            name="an expression on one side, and no table on the other",
        ),
        planned_trace(node("Sort", _loop(_EQUAL, ms=12), ms=1_500), name="the time goes elsewhere"),
        planned_trace(
            _loop(_EQUAL),
            tables=(example_table("orders", indexes=(_BY_USER,)),),
            name="there is an index already",
        ),
    ),
)
