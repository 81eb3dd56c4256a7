"""NOT IN goes through the rows of its sub-query again for every row.

What it finds
    A filter with NOT IN (SELECT ...), or <> ALL, whose sub-query was not hashed: for each row the list is
    searched from its beginning.

Why is this slow
    PostgreSQL cannot turn NOT IN into a join, because one NULL among the values makes the whole answer
    unknown. It puts the values into a hash table if they fit into `work_mem`, by its own estimate. Else it
    searches them one after the other: n rows times m values. Twice the data takes four times as long.

Example
    SELECT * FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)
    499 customers against 1,000,000 orders: 4,250 ms. The whole table did not end within a minute.

Use instead
    SELECT * FROM customers c
    WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)
    This is an anti join, which is made by hashing. It also says what is meant where the column may be NULL.
    Where the statement cannot be changed, SET LOCAL work_mem until the plan says `hashed SubPlan`.

Thresholds
    min_loops (10): how often the values were searched (reference notes on EXPLAIN, rule 23).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The sub-query was hashed. It is NOT EXISTS, or IN without NOT. It never ran, or few rows asked. The time
    goes elsewhere.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_subplans import NegatedSearch, negated_search
from perfkit.model.scan_builders import plan_trace
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK228", "not-in-subplan"
_CONFIDENCE = 0.9


def not_in_subplan(trace: Trace, *, min_loops: int = 10) -> Iterator[Finding]:
    """Find NOT IN that searches the rows of its sub-query one after the other.

    Args:
        trace: a block with plans.
        min_loops: how often the sub-query was searched.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            search = negated_search(item, plan.query_text) if item.executed else None
            if search is None or (search.subplan.actual_loops or 0) < min_loops:
                continue
            if is_worth_a_line(_saving_ms(item, search.subplan), duration_ms):
                yield _finding(trace, number, plan, item, search)


def _saving_ms(item: PlanNode, subplan: PlanNode) -> float:
    """Reading the values again, and comparing them, which is in the node's own time."""
    values = max(0.0, subplan.actual_rows or 0.0)
    again = 1 - 1 / (subplan.actual_loops or 1)
    return (subplan.total_time_ms or 0.0) * again + (item.self_time_ms or 0.0) * values / (values + 1)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, search: NegatedSearch) -> Finding:
    saving_ms = saving_in_block(_saving_ms(item, search.subplan), plan, trace)
    loops, values = search.subplan.actual_loops or 0, search.subplan.total_rows or 0.0
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(item)}: NOT IN searched the rows of its sub-query {counted(loops, 'time')}, "
            f"{about(search.subplan, values, 'row')} in all."
        ),
        advice=_advice(item, search),
        refutation=(
            "Refuted if the sub-query returns a NULL, for which NOT IN finds no row at all while NOT EXISTS "
            "finds them, and that was meant."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Filter: {item.attributes.get('Filter')}",
            f"The sub-query took {search.subplan.total_time_ms or 0.0:,.1f} ms and the comparisons up to "
            f"{item.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _advice(item: PlanNode, search: NegatedSearch) -> str:
    outer = search.column or f"{item.alias or table_name(item)}.…"
    scan = next((child for child in search.subplan.walk() if child.relation_name), None)
    output = search.subplan.attributes.get("Output")
    column = str(output[0]).rpartition(".")[2] if isinstance(output, list) and output else "…"
    table = relation(scan) if scan is not None else "…"
    return (
        "Ask with NOT EXISTS, which is made by a join; conditions of the sub-query stay in it. Or give the "
        "transaction the work_mem with which the plan says `hashed SubPlan`.\n"
        f"WHERE NOT EXISTS (SELECT FROM {table} AS other WHERE other.{column} = {outer})"
    )


def _search(
    condition: str, *, loops: int = 2_000, ms: float = 0.07, total: float = 300, kind: str = "SubPlan"
) -> PlanNode:
    values = node(
        "Materialize",
        node("Seq Scan", ms=2, rows=30_000, relation_name="orders", alias="o"),
        ms=ms,
        rows=1_000,
        loops=loops,
        parent_relationship=kind,
        subplan_name="SubPlan 1",
        Output=["o.customer_id"],
    )
    return node("Seq Scan", values, ms=total, rows=4, relation_name="customers", Filter=condition)


_NEW = "(NOT (ANY (customers.id = (SubPlan 1).col1)))"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=not_in_subplan,
    fires_on=(
        planned_trace(_search(_NEW)),
        planned_trace(_search("(ALL (customers.id <> (SubPlan 1).col1))")),
        # As PostgreSQL 16 writes it.
        plan_trace(
            _search("(NOT (SubPlan 1))"),
            query_text="SELECT * FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
        ),
    ),
    silent_on=(
        # Hashed.
        planned_trace(
            _search("(NOT (ANY (customers.id = (hashed SubPlan 1).col1)))", loops=1, ms=20, total=40)
        ),
        planned_trace(_search("(NOT (hashed SubPlan 1))", loops=1, ms=20, total=40)),
        # Not negated: it stops at the first that matches.
        planned_trace(_search("(ANY (customers.id = (SubPlan 1).col1))")),
        # As PostgreSQL 16 writes NOT EXISTS.
        plan_trace(
            _search("(NOT (SubPlan 1))"),
            query_text="SELECT * FROM customers c WHERE NOT EXISTS (SELECT FROM orders) OR c.id = 3",
        ),
        # Few rows asked.
        planned_trace(_search(_NEW, loops=4, total=3)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _search(_NEW, ms=0.001, total=6), ms=4_000)),
        # It never ran.
        planned_trace(node("Append", node("Seq Scan", loops=0, Filter=_NEW), ms=40)),
    ),
)
