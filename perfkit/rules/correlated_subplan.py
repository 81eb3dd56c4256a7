"""A sub-query runs again for every row.

What it finds
    A sub-query that names a column of the statement around it, and that took a large part of the time
    because it ran once for each of many rows.

Why is this slow
    PostgreSQL does not join a sub-query that stands in the SELECT list or is compared with a value: it
    calls it for each row, like a function. That is n times the time of one call. Without an index on the
    column that ties it to the row, each call reads a whole table.

Example
    SELECT c.id, (SELECT sum(amount) FROM orders o WHERE o.customer_id = c.id) FROM customers c
    200 customers, with no index on customer_id: 270 ms, and each customer more adds 1.4 ms.

Use instead
    SELECT c.id, totals.amount FROM customers c LEFT JOIN
    (SELECT customer_id, sum(amount) AS amount FROM orders GROUP BY customer_id) AS totals
    ON totals.customer_id = c.id
    reads the orders once. Where few rows call, an index on customer_id is enough. Of several sub-queries on
    the same table, make one LEFT JOIN LATERAL.

Thresholds
    min_loops (100): how often it ran; querysense starts there.
    min_time_share (0.3): its share of the execution (reference notes on EXPLAIN, rule 24).
    min_loop_ms (0.05): milliseconds of one call. Below that an index finds a few rows each time, and a join
        that reads the table once is often no faster.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The sub-query runs once, or rarely, or each call is quick. It names nothing from outside: then its
    result is kept, or hashed. The time goes elsewhere, or it never ran.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import ordering, relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import sort_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_subplans import Correlation, correlation, is_asked_for_existence, subplans
from perfkit.model.plan_waste import index_led_by
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK229", "correlated-subplan"
_CONFIDENCE = 0.75


def correlated_subplan(
    trace: Trace, *, min_loops: int = 100, min_time_share: float = 0.3, min_loop_ms: float = 0.05
) -> Iterator[Finding]:
    """Find sub-queries that ran for many rows.

    Args:
        trace: a block with plans.
        min_loops: how often the sub-query ran.
        min_time_share: its share of the execution time, from 0 to 1.
        min_loop_ms: milliseconds that one call takes.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for parent in plan.nodes():
            for subplan in subplans(parent):
                loops, total_ms = subplan.actual_loops or 0, subplan.total_time_ms or 0.0
                if loops < min_loops or total_ms < min_time_share * duration_ms:
                    continue
                tie = correlation(subplan) if (subplan.actual_total_time or 0.0) >= min_loop_ms else None
                if tie is not None and is_worth_a_line(_saving_ms(subplan), duration_ms):
                    yield _finding(trace, number, plan, parent, subplan, tie)


def _saving_ms(subplan: PlanNode) -> float:
    """All calls but one: a join reads once what each call reads, or an index makes each call quick."""
    return (subplan.total_time_ms or 0.0) * (1 - 1 / (subplan.actual_loops or 1))


def _finding(
    trace: Trace, number: int, plan: Plan, parent: PlanNode, subplan: PlanNode, tie: Correlation
) -> Finding:
    saving_ms = saving_in_block(_saving_ms(subplan), plan, trace)
    busiest = max(subplan.walk(), key=lambda item: item.self_time_ms or 0.0)
    loops, each_ms = subplan.actual_loops or 0, subplan.actual_total_time or 0.0
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"A sub-query on {tie.scan.relation_name} ran {loops:,} times, {each_ms:,.2f} ms each, once for "
            f"every {tie.outer_value}."
        ),
        advice=_advice(plan, parent, subplan, tie),
        refutation=(
            "Refuted if the join reads far more rows than the calls needed together, as where few of many "
            "groups are wanted: then the index is the remedy."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(busiest.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"{subplan.subplan_name} took {subplan.total_time_ms or 0.0:,.1f} ms of "
            f"{plan.duration_ms or 0.0:,.1f} ms; it is tied to the row by "
            f"{tie.column} = {tie.outer_value}.",
        ),
    )


def _advice(plan: Plan, parent: PlanNode, subplan: PlanNode, tie: Correlation) -> str:
    table, order = relation(tie.scan), _order(subplan, tie)
    index = f"CREATE INDEX ON {table} ({', '.join([tie.column, *order])});"
    if any(item.node_type == "Limit" for item in subplan.walk()):
        return f"An index on what ties it to the row, in the order asked, makes each call quick.\n{index}"
    if is_asked_for_existence(parent, subplan):
        words = "Ask with IN, of which the sub-query is run once and hashed."
        rewritten = f"WHERE {tie.outer_value} IN (SELECT {tie.column} FROM {table})"  # noqa: S608 - shown only
    else:
        words = "Compute the value for all rows at once and join it."
        rewritten = (
            f"LEFT JOIN (SELECT {tie.column}, ... FROM {table} GROUP BY {tie.column}) AS grouped "  # noqa: S608
            f"ON grouped.{tie.column} = {tie.outer_value}"
        )
    is_indexed = index_led_by(plan.table_of(tie.scan), tie.column) is not None
    if tie.scan.node_type != "Seq Scan" or is_indexed:
        return f"{words}\n{rewritten}"
    return f"{words} Where few rows call, an index is enough.\n{rewritten}\n{index}"


def _order(subplan: PlanNode, tie: Correlation) -> tuple[str, ...]:
    """The columns by which each call sorts, as an index wants them."""
    sorts = (item for item in subplan.walk() if item.node_type == "Sort")
    return next((ordering(sort_columns(sort, tie.scan)) for sort in sorts), ())


def _called(
    *,
    loops: int = 200,
    ms: float = 1.35,
    condition: str = "(o.customer_id = c.id)",
    filter_of_parent: str = "",
    relationship: str = "SubPlan",
) -> PlanNode:
    scan = node(
        "Seq Scan", ms=ms, rows=1, loops=loops, relation_name="orders", alias="o", Filter=condition,
        rows_removed_by_filter=29_999,
    )  # fmt: skip
    called = node(
        "Aggregate", scan, ms=ms, loops=loops, parent_relationship=relationship, subplan_name="SubPlan 1"
    )
    return node(
        "Seq Scan", called, ms=ms * loops + 1, rows=loops, relation_name="customers", alias="c",
        Filter=filter_of_parent, Output=["c.id", "(SubPlan 1)"],
    )  # fmt: skip


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=correlated_subplan,
    fires_on=(
        planned_trace(_called()),
        planned_trace(_called(filter_of_parent="((c.city = 'Bern'::text) OR EXISTS(SubPlan 1))")),
        planned_trace(node("Sort", _called(condition='(o.customer_id = c."Id")'), ms=290)),
    ),
    silent_on=(
        # An index finds a few rows each time.
        planned_trace(_called(loops=50_000, ms=0.008)),
        # It runs rarely.
        planned_trace(_called(loops=20)),
        # It names nothing from outside.
        planned_trace(_called(condition="(o.customer_id = 42)")),
        # It runs once and its result is kept.
        planned_trace(_called(loops=1, ms=200, relationship="InitPlan")),
        # Its share is small.
        planned_trace(node("Sort", _called(), ms=4_000)),
        # It never ran.
        planned_trace(_called(loops=0)),
    ),
)
