"""PostgreSQL's `EXPLAIN (FORMAT JSON)` to a `Plan`."""

from collections.abc import Mapping, Sequence
from typing import Any

from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_json import MAX_DEPTH, JsonChecks, PlanFormatError

__all__ = ["COUNT_FIELDS", "NUMBER_FIELDS", "TEXT_FIELDS", "PlanFormatError", "read_postgresql_plan"]

_READ = JsonChecks("a PostgreSQL plan")

# The fields of a node that have a name of their own in `PlanNode`, by the database's name.
TEXT_FIELDS = {
    "Parent Relationship": "parent_relationship",
    "Subplan Name": "subplan_name",
    "Schema": "schema",
    "Relation Name": "relation_name",
    "Alias": "alias",
    "Index Name": "index_name",
}
NUMBER_FIELDS = {
    "Startup Cost": "startup_cost",
    "Total Cost": "total_cost",
    "Plan Rows": "plan_rows",
    "Actual Startup Time": "actual_startup_time",
    "Actual Total Time": "actual_total_time",
    "Actual Rows": "actual_rows",
    "Rows Removed by Filter": "rows_removed_by_filter",
}
COUNT_FIELDS = {
    "Plan Width": "plan_width",
    "Actual Loops": "actual_loops",
    "Shared Hit Blocks": "shared_hit_blocks",
    "Shared Read Blocks": "shared_read_blocks",
    "Temp Read Blocks": "temp_read_blocks",
    "Temp Written Blocks": "temp_written_blocks",
}
_NAMED = {"Node Type", "Plans", *TEXT_FIELDS, *NUMBER_FIELDS, *COUNT_FIELDS}
_STATEMENT_NAMED = {"Plan", "Planning Time", "Execution Time", "Triggers", "Settings"}


def read_postgresql_plan(data: object, query_text: str = "") -> Plan:
    """Read the answer to `EXPLAIN (FORMAT JSON)`.

    Args:
        data: the JSON as text, or its value as the driver decoded it: a list with one object, or that object.
        query_text: the statement that was explained, for display.

    Returns:
        The plan; its times are `None` where the plan was made without `ANALYZE`.

    Raises:
        PlanFormatError: if it is anything else.
    """
    statement = _statement(_READ.decoded(data))
    analyzed = "Actual Loops" in statement["Plan"]
    return Plan(
        system_name="postgresql",
        query_text=query_text,
        root=_NodeReader().read(statement["Plan"], "Plan", 1),
        analyzed=analyzed,
        execution_time_ms=_READ.number(statement, "Execution Time", "the plan"),
        planning_time_ms=_READ.number(statement, "Planning Time", "the plan"),
        triggers=_triggers(statement.get("Triggers")),
        serialization_time_ms=_nested_number(statement, "Serialization", "Time"),
        jit_time_ms=_nested_number(statement, "JIT", "Timing", "Total"),
        settings=_READ.copied(_READ.mapping(statement.get("Settings", {}), '"Settings"'), '"Settings"'),
        attributes={
            key: _READ.copied(item, key) for key, item in statement.items() if key not in _STATEMENT_NAMED
        },
    )


def _statement(data: object) -> Mapping[str, Any]:
    if isinstance(data, Sequence) and not isinstance(data, str):
        if len(data) != 1:
            _READ.fail(f"it holds {len(data)} statements, not one")
        data = data[0]
    if isinstance(data, str):
        _READ.fail("the statement has no plan (a utility statement)")
    statement = _READ.mapping(data, "the whole")
    if "Plan" not in statement:
        _READ.fail('the key "Plan" is missing; use EXPLAIN (FORMAT JSON)')
    _READ.mapping(statement["Plan"], '"Plan"')
    return statement


class _NodeReader:
    """Numbers the nodes in reading order."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, data: object, place: str, depth: int) -> PlanNode:
        if depth > MAX_DEPTH:
            _READ.fail(f"it is more than {MAX_DEPTH} levels deep")
        raw = _READ.mapping(data, place)
        node_id, self._count = self._count, self._count + 1
        plans = raw.get("Plans", [])
        if not isinstance(plans, list | tuple):
            _READ.fail(f'"Plans" of {place} is not a list', place, "Plans")
        node_type = _READ.text(raw, "Node Type", place)
        if not node_type:
            _READ.fail(f'"Node Type" of {place} is missing', place)
        fields: dict[str, Any] = {name: _READ.text(raw, key, place) for key, name in TEXT_FIELDS.items()}
        fields |= {name: _READ.number(raw, key, place) for key, name in NUMBER_FIELDS.items()}
        fields |= {name: _READ.count(raw, key, place) for key, name in COUNT_FIELDS.items()}
        return PlanNode(
            node_id=node_id,
            node_type=_READ.text(raw, "Node Type", place)
            or _READ.fail(f'"Node Type" of {place} is missing', place),
            children=tuple([self.read(item, f"{place}.{i}", depth + 1) for i, item in enumerate(plans)]),
            attributes={key: _READ.copied(item, place) for key, item in raw.items() if key not in _NAMED},
            **fields,
        )


def _nested_number(raw: Mapping[str, Any], *keys: str) -> float | None:
    inner: Mapping[str, Any] = raw
    for key in keys[:-1]:
        inner = _READ.mapping(inner.get(key, {}), f'"{key}"')
    return _READ.number(inner, keys[-1], f'"{keys[0]}"')


def _triggers(value: object) -> tuple[TriggerTime, ...]:
    if value is None:
        return ()
    return tuple(_trigger(_READ.mapping(item, '"Triggers"')) for item in _READ.sequence(value, '"Triggers"'))


def _trigger(raw: Mapping[str, Any]) -> TriggerTime:
    place = '"Triggers"'
    constraint_name = _READ.text(raw, "Constraint Name", place)
    return TriggerTime(
        name=_READ.text(raw, "Trigger Name", place) or _READ.text(raw, "Constraint Name", place) or "trigger",
        time_ms=_READ.number(raw, "Time", place) or 0.0,
        calls=_READ.number(raw, "Calls", place) or 0.0,
        relation_name=_READ.text(raw, "Relation", place),
        constraint_name=constraint_name,
    )
