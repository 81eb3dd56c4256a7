"""A part of the plan never ran: nothing is known of it, or it never can.

What it finds
    A condition that is false for every row before one is read, and the more costly part of a plan that was
    not needed with these values.

Why is this slow
    It is not, and that is the point: with other values the same statement runs that part, and may take a
    hundred times as long. A condition that is always false is mostly a mistake: an empty list of keys, two
    bounds the wrong way round, a comparison with NULL.

Example
    SELECT * FROM orders WHERE status = 'lost' AND user_id IN (SELECT id FROM users WHERE name = 'nobody')
    No user has the name, so the orders were never read, and their seq scan took no time.

Use instead
    Explain the statement again with values that find something. Where the condition is always false, ask
    the program first: if ids: …, and send nothing.

Thresholds
    min_cost_share (0.5): share of the plan's estimated cost in the part that did not run, from 0 to 1: what
        the node above was expected to cost beyond its parts that did run.
    min_cost (1,000): that part's cost in the planner's units; a page read in order is 1.

Stays silent when
    Partitions were left out at run time, which is what they are for. The part is cheap. One of two ways to
    run a sub-query was not taken. It is never more than "info", and saves nothing.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import measured_plans, table_name
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK271", "dead-branch"
_CHOOSING = ("Append", "MergeAppend")


def dead_branch(trace: Trace, *, min_cost_share: float = 0.5, min_cost: float = 1_000.0) -> Iterator[Finding]:
    """Find parts of plans that never ran.

    Args:
        trace: a block with plans.
        min_cost_share: share of the plan's estimated cost in the part that did not run, from 0 to 1.
        min_cost: that part's cost in the planner's units.
    """
    for number, item, _ in measured_plans(trace):
        impossible = next((one for one in item.nodes() if _is_impossible(one)), None)
        if impossible is not None and not any(one.relation_name for one in item.nodes()):
            yield _never(number, item, impossible)
            continue
        wanted = max(min_cost, min_cost_share * (item.root.total_cost or 0.0))
        for one in item.nodes():
            if _is_top_of_unused(item, one) and _saved_cost(item, one) >= wanted:
                yield _unused(number, item, one)


def _is_impossible(one: PlanNode) -> bool:
    return one.node_type == "Result" and one.attributes.get("One-Time Filter") == "false"


def _is_top_of_unused(item: Plan, one: PlanNode) -> bool:
    above = item.parents.get(one.node_id)
    if one.executed is not False or above is None or not above.executed:
        return False
    return above.node_type not in _CHOOSING and one.parent_relationship not in ("SubPlan", "InitPlan")


def _saved_cost(item: Plan, one: PlanNode) -> float:
    """What was expected to be spent on a part over all its loops; a LIMIT expects less of everything."""
    above = item.parents[one.node_id]
    others = sum(child.total_cost or 0.0 for child in above.children if child is not one)
    return min((above.total_cost or 0.0) - others, item.root.total_cost or 0.0)


def _never(number: int, item: Plan, one: PlanNode) -> Finding:
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message="A condition of this statement is false for every row: nothing was read.",
        advice=(
            "If the statement is right, do not send it: ask the program first whether there is anything to "
            "look for, such as a list of keys that is not empty."
        ),
        refutation="Refuted if the condition is false only with the values of this execution, on purpose.",
        confidence=0.8,
        location=item.call_site,
        offenders=(one.node_id,),
        plan=number,
        saving_ms=0.0,
        evidence=("One-Time Filter: false",),
    )


def _unused(number: int, item: Plan, one: PlanNode) -> Finding:
    tables = dict.fromkeys(table_name(scan) for scan in one.walk() if scan.relation_name)
    about = f" ({', '.join(list(tables)[:3])})" if tables else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=f"The costlier part of the plan{about} never ran with these values.",
        advice=(
            "Nothing can be said of its time. Explain the statement again with values that find something, "
            "before you call it fast."
        ),
        refutation="Refuted if the statement never finds anything in practice: this part never runs then.",
        confidence=0.8,
        location=item.call_site,
        offenders=(one.node_id,),
        plan=number,
        saving_ms=0.0,
        evidence=(
            f"Estimated cost {_saved_cost(item, one):,.0f} of {item.root.total_cost or 0.0:,.0f}, loops 0.",
        ),
    )


def _part(cost: float, *, loops: int = 0, **said: Any) -> PlanNode:
    return node("Seq Scan", loops=loops, rows=0, relation_name="orders", total_cost=cost, **said)


_FALSE: dict[str, Any] = {"One-Time_Filter": "false"}
_SWITCH: dict[str, Any] = {"One-Time_Filter": "(? = 1)"}
_EMPTY = node("Hash", node("Seq Scan", ms=2, rows=0, relation_name="users", total_cost=40.0), ms=2.1, rows=0)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=dead_branch,
    fires_on=(
        planned_trace(node("Hash Join", _part(9_000.0), _EMPTY, ms=2.5, rows=0, total_cost=9_100.0)),
        planned_trace(node("Result", ms=0.01, rows=0, **_FALSE)),
        # The inner side of a loop is cheap, and was to run a thousand times.
        planned_trace(node("Nested Loop", _EMPTY, _part(8.0), ms=2.2, rows=0, total_cost=8_000.0)),
    ),
    silent_on=(
        # Everything ran.
        planned_trace(node("Hash Join", _part(9_000.0, loops=1), _EMPTY, ms=9, total_cost=9_100.0)),
        # Partitions that were not needed.
        planned_trace(node("Append", _part(9_000.0), _part(9_000.0, loops=1), ms=9, total_cost=9_100.0)),
        # A LIMIT wants one row: it would have cost next to nothing.
        planned_trace(
            node(
                "Limit",
                node("Nested Loop", _EMPTY, _part(8.0), ms=2.2, rows=0, total_cost=8_000.0),
                ms=2.2,
                total_cost=48.0,
            )
        ),
        # A cheap part.
        planned_trace(node("Hash Join", _part(30.0), _EMPTY, ms=2.5, rows=0, total_cost=90.0)),
        # The other way to run a sub-query.
        planned_trace(
            node("Seq Scan", _part(9_000.0, parent_relationship="SubPlan"), ms=9, total_cost=9_100.0)
        ),
        # Only the table of an outer join is left out; the other one is read.
        planned_trace(
            node("Nested Loop", node("Seq Scan", ms=9, relation_name="users"), node("Result", **_FALSE), ms=9)
        ),
        # It depends on the values.
        planned_trace(node("Result", ms=0.01, **_SWITCH)),
    ),
)
