"""Two parts of a statement that no condition ties to each other: every row is paired with every row.

What it finds
    A nested loop without a condition, whose inner side does not depend on the outer one, and which returned
    as many rows as both sides multiplied.

Why is this slow
    The rows grow with the product of both sides. What follows has to sort, group or send them all, and a
    DISTINCT that takes them away again hides the mistake.

Example
    SELECT DISTINCT users.name FROM users, orders WHERE orders.status = 'open'

Use instead
    SELECT DISTINCT users.name FROM users JOIN orders ON orders.user_id = users.id WHERE …
    or, where nothing of the other table is wanted, WHERE EXISTS (SELECT … ).

Thresholds
    min_rows (10,000): rows that the join returned (reference notes on EXPLAIN, rule 36).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    One side is a single row. The inner side is looked up by the outer one, as LATERAL does. Both are compared
    with the same value, so that the planner needs no condition between them. A condition further up ties
    them: two small tables are multiplied to look up a large one. One side is a generated series or a list
    of values, or the statement says CROSS JOIN: that is written on purpose.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_joins import aliases_below, join_sides, mentions, shared_values, tied_by_condition
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK245", "cartesian-join"
_ON_PURPOSE = re.compile(r"\bCROSS\s+JOIN\b", re.IGNORECASE)
# They hide what their rows depend on unless the plan was made with VERBOSE.
_OPAQUE = frozenset({"Function Scan", "Table Function Scan", "Values Scan", "Result", "ProjectSet"})


def cartesian_join(trace: Trace, *, min_rows: float = 10_000.0) -> Iterator[Finding]:
    """Find joins that pair every row with every row.

    Args:
        trace: a block with plans.
        min_rows: rows that the join returned.
    """
    for number, plan, duration_ms in measured_plans(trace):
        if _ON_PURPOSE.search(plan.query_text):
            continue
        for join in plan.nodes():
            sides = join_sides(join) if _has_no_condition(join, min_rows) else None
            if sides is None or not _is_product(plan, *sides):
                continue
            if is_worth_a_line(_saving_ms(join, *sides), duration_ms):
                yield _finding(trace, number, plan, join, *sides)


def _has_no_condition(join: PlanNode, min_rows: float) -> bool:
    return (
        join.node_type == "Nested Loop"
        and "Join Filter" not in join.attributes
        and join.attributes.get("Join Type", "Inner") in ("Inner", "Left")
        and (join.total_rows or 0.0) >= max(1.0, min_rows)
    )


def _is_product(plan: Plan, outer: PlanNode, inner: PlanNode) -> bool:
    if (outer.total_rows or 0.0) < 2 or (inner.actual_rows or 0.0) < 2:
        return False
    if not (_reads_table(outer) and _reads_table(inner)) or shared_values(outer, inner):
        return False
    return not mentions(inner, aliases_below(outer)) and not tied_by_condition(plan, outer, inner)


def _reads_table(side: PlanNode) -> bool:
    """Whether the rows come from a table alone: what a function or a list makes is multiplied on purpose."""
    kinds = {item.node_type for item in side.walk()}
    has_rows = any(item.relation_name or item.node_type == "CTE Scan" for item in side.walk())
    return has_rows and not kinds & _OPAQUE


def _saving_ms(join: PlanNode, outer: PlanNode, inner: PlanNode) -> float:
    """What pairing takes: the join itself, and reading the inner side again and again."""
    once_ms = (inner.total_time_ms or 0.0) / max(1, inner.actual_loops or 1)
    return (join.total_time_ms or 0.0) - (outer.total_time_ms or 0.0) - once_ms


def _finding(
    trace: Trace, number: int, plan: Plan, join: PlanNode, outer: PlanNode, inner: PlanNode
) -> Finding:
    saving_ms = saving_in_block(_saving_ms(join, outer, inner), plan, trace)
    (ours, our_name), (theirs, their_name) = _names(outer), _names(inner)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"Nothing ties {_called(ours, our_name)} to {_called(theirs, their_name)}: "
            f"{about(outer)} and {inner.actual_rows or 0:,.0f} rows give "
            f"{about(join)} pairs."
        ),
        advice=(
            "Say how they belong together, or take out the table of which nothing is wanted.\n"
            f"… FROM {ours} {our_name} JOIN {theirs} {their_name} ON {their_name}.key = {our_name}.key"
        ),
        refutation=(
            "Refuted if every pair is wanted, as for a table of all combinations: then write CROSS JOIN."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(join.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"The join took {join.total_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms, and "
            "what stands above it works on all pairs.",
        ),
    )


def _called(table: str, alias: str) -> str:
    return table if table == alias else f"{table} {alias}"


def _names(side: PlanNode) -> tuple[str, str]:
    """The first table of a side, and what the statement calls it."""
    first = next(item for item in side.walk() if item.relation_name or item.node_type == "CTE Scan")
    name = quoted(first.relation_name or str(first.attributes.get("CTE Name", first.alias or "")))
    return name, quoted(first.alias) if first.alias else name


def _scan(name: str, rows: float, condition: str = "", *, loops: int = 1, kind: str = "Seq Scan") -> PlanNode:
    said: dict[str, Any] = {"Filter": condition} if condition else {}
    return node(kind, ms=1, rows=rows, loops=loops, relation_name=name, **said)


def _loop(outer: PlanNode, inner: PlanNode, *, ms: float = 60, **said: Any) -> PlanNode:
    rows = (outer.actual_rows or 0) * (inner.actual_rows or 0)
    return node("Nested Loop", outer, inner, ms=ms, rows=rows, Join_Type="Inner", **said)


def _on_purpose(root: PlanNode) -> Trace:
    trace = planned_trace(root, name="written on purpose")
    return replace(trace, plans=tuple(replace(one, query_text=_CROSS_JOIN) for one in trace.plans or ()))


_CROSS_JOIN = "SELECT users.name FROM users CROSS JOIN orders"
_USERS, _ORDERS = _scan("users", 500), node("Materialize", _scan("orders", 400), ms=0.02, rows=400, loops=500)
_PRODUCT = _loop(_USERS, _ORDERS)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=cartesian_join,
    fires_on=(
        planned_trace(_PRODUCT, name="two tables"),
        planned_trace(
            node("Aggregate", _loop(_scan("users", 500, "(users.city = 'Ulm'::text)"), _ORDERS), ms=90),
            name="only one side has a condition",
        ),
    ),
    silent_on=(
        planned_trace(_loop(_scan("settings", 1), _scan("orders", 20_000)), name="a single row"),
        planned_trace(
            _loop(_USERS, _scan("orders", 40, "(orders.user_id = users.id)", loops=500)), name="looked up"
        ),
        planned_trace(
            _loop(_scan("users", 500, "(users.firm = 7)"), _scan("orders", 400, "(orders.firm = 7)")),
            name="tied by a value that both have",
        ),
        planned_trace(
            node(
                "Nested Loop", _PRODUCT,
                node(
                    "Index Scan", ms=0.001, rows=0, loops=200_000, relation_name="sales",
                    Index_Cond="((sales.user_id = users.id) AND (sales.order_id = orders.id))",
                ),
                ms=900, rows=100,
            ),
            name="multiplied to look up a large table by both",
        ),
        planned_trace(
            _loop(_USERS, node("Function Scan", ms=0.1, rows=365, loops=500, alias="day")), name="a calendar"
        ),
        planned_trace(_loop(_USERS, _ORDERS, Join_Filter="(orders.at > users.at)"), name="a condition"),
        _on_purpose(_PRODUCT),
    ),
)  # fmt: skip
