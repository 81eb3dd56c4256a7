"""A plan in the shape of PostgreSQL's `EXPLAIN (FORMAT JSON)`, for pev2 and whatever else draws plans."""

import json
from typing import Any

from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_reader import COUNT_FIELDS, NUMBER_FIELDS, TEXT_FIELDS

# A larger float need not be a whole number, though it looks like one.
_MAX_WHOLE = 2**53


def plan_json(plan: Plan) -> str:
    """The plan as the text that PostgreSQL would answer with.

    Args:
        plan: of PostgreSQL. Values that it hides stay hidden.

    Returns:
        JSON on one line, which `read_postgresql_plan` reads back to an equal plan, as far as the database
        said it: the statement, its call site and perfkit's own notes are not part of it.

    Raises:
        LookupError: for a plan of another database, whose format this is not.
    """
    if plan.system_name != "postgresql":
        raise LookupError(f"This is a plan of {plan.system_name}; the JSON is PostgreSQL's format.")
    return json.dumps([_statement(plan)])


def _statement(plan: Plan) -> dict[str, Any]:
    written: dict[str, Any] = {"Plan": _node(plan.root)}
    if plan.settings:
        written["Settings"] = dict(plan.settings)
    written |= plan.attributes
    if plan.planning_time_ms is not None:
        written["Planning Time"] = plan.planning_time_ms
    if plan.triggers:
        written["Triggers"] = [_trigger(trigger) for trigger in plan.triggers]
    if plan.execution_time_ms is not None:
        written["Execution Time"] = plan.execution_time_ms
    return written


def _node(node: PlanNode) -> dict[str, Any]:
    written: dict[str, Any] = {"Node Type": node.node_type}
    for names in (TEXT_FIELDS, NUMBER_FIELDS, COUNT_FIELDS):
        for name, field in names.items():
            value = getattr(node, field)
            if value is not None:
                written[name] = _plain(value)
    written |= node.attributes
    if node.children:
        written["Plans"] = [_node(child) for child in node.children]
    return written


def _plain(value: Any) -> Any:
    """Whole numbers without a decimal point, as the database writes them."""
    is_whole = isinstance(value, float) and value < _MAX_WHOLE and value == int(value)
    return int(value) if is_whole else value


def _trigger(trigger: TriggerTime) -> dict[str, Any]:
    written: dict[str, Any] = {"Time": trigger.time_ms, "Calls": _plain(trigger.calls)}
    if trigger.name != trigger.constraint_name:
        written["Trigger Name"] = trigger.name
    if trigger.constraint_name is not None:
        written["Constraint Name"] = trigger.constraint_name
    if trigger.relation_name is not None:
        written["Relation"] = trigger.relation_name
    return written
