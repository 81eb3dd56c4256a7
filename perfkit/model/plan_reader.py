"""PostgreSQL's `EXPLAIN (FORMAT JSON)` to a `Plan`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from perfkit.model.plan import Plan, PlanNode, TriggerTime

# Deeper than any plan seen (a chain of 200 views); far below what Python's stack allows.
MAX_DEPTH = 220
# The planner clamps rows at 1e100 (MAXIMUM_ROWCOUNT in costsize.c); anything beyond is damage.
MAX_NUMBER = 1e101

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


class PlanFormatError(ValueError):
    """What was given is not a plan that can be read; the message says in one line what is wrong.

    `reason` is the part of the message that says it; `place` and `key` lead to the value, where one is wrong:
    "Plan.0.1" is the second input of the first input of the root.
    """

    def __init__(self, message: str, *, reason: str = "", place: str = "", key: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message
        self.place = place
        self.key = key


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
    statement = _statement(_decoded(data))
    analyzed = "Actual Loops" in statement["Plan"]
    return Plan(
        system_name="postgresql",
        query_text=query_text,
        root=_NodeReader().read(statement["Plan"], "Plan", 1),
        analyzed=analyzed,
        execution_time_ms=_number(statement, "Execution Time", "the plan"),
        planning_time_ms=_number(statement, "Planning Time", "the plan"),
        triggers=_triggers(statement.get("Triggers")),
        serialization_time_ms=_nested_number(statement, "Serialization", "Time"),
        jit_time_ms=_nested_number(statement, "JIT", "Timing", "Total"),
        settings=_json(_object(statement.get("Settings", {}), '"Settings"'), '"Settings"'),
        attributes={key: _json(item, key) for key, item in statement.items() if key not in _STATEMENT_NAMED},
    )


def _fail(reason: str, place: str = "", key: str = "") -> NoReturn:
    message = f"This is not a PostgreSQL plan: {reason}."
    raise PlanFormatError(message, reason=reason, place=place, key=key) from None


def _decoded(data: object) -> object:
    if not isinstance(data, str | bytes | bytearray):
        return data
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        _fail(f"line {error.lineno}, column {error.colno}: {error.msg}")
    except (RecursionError, ValueError) as error:
        _fail(f"it cannot be decoded ({type(error).__name__})")


def _statement(data: object) -> Mapping[str, Any]:
    if isinstance(data, Sequence) and not isinstance(data, str):
        if len(data) != 1:
            _fail(f"it holds {len(data)} statements, not one")
        data = data[0]
    if isinstance(data, str):
        _fail("the statement has no plan (a utility statement)")
    statement = _object(data, "the whole")
    if "Plan" not in statement:
        _fail('the key "Plan" is missing; use EXPLAIN (FORMAT JSON)')
    _object(statement["Plan"], '"Plan"')
    return statement


class _NodeReader:
    """Numbers the nodes in reading order."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, data: object, place: str, depth: int) -> PlanNode:
        if depth > MAX_DEPTH:
            _fail(f"it is more than {MAX_DEPTH} levels deep")
        raw = _object(data, place)
        node_id, self._count = self._count, self._count + 1
        plans = raw.get("Plans", [])
        if not isinstance(plans, list | tuple):
            _fail(f'"Plans" of {place} is not a list', place, "Plans")
        fields: dict[str, Any] = {name: _text(raw, key, place) for key, name in TEXT_FIELDS.items()}
        fields |= {name: _number(raw, key, place) for key, name in NUMBER_FIELDS.items()}
        fields |= {name: _count(raw, key, place) for key, name in COUNT_FIELDS.items()}
        return PlanNode(
            node_id=node_id,
            node_type=_text(raw, "Node Type", place) or _fail(f'"Node Type" of {place} is missing', place),
            children=tuple([self.read(item, f"{place}.{i}", depth + 1) for i, item in enumerate(plans)]),
            attributes={key: _json(item, place) for key, item in raw.items() if key not in _NAMED},
            **fields,
        )


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        _fail(f"{place} is {_kind(value)} where an object belongs")
    return value


def _text(raw: Mapping[str, Any], key: str, place: str) -> str | None:
    value = raw.get(key)
    if value is not None and not isinstance(value, str):
        _fail(f'"{key}" of {place} is {_kind(value)} where text belongs', place, key)
    return value


def _number(raw: Mapping[str, Any], key: str, place: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        _fail(f'"{key}" of {place} is {_kind(value)} where a number belongs', place, key)
    if not 0 <= value <= MAX_NUMBER:
        _fail(f'"{key}" of {place} is out of range', place, key)
    return float(value)


def _count(raw: Mapping[str, Any], key: str, place: str) -> int | None:
    value = _number(raw, key, place)
    if value is None:
        return None
    if value != int(value):
        _fail(f'"{key}" of {place} is not a whole number', place, key)
    return int(raw[key])


def _nested_number(raw: Mapping[str, Any], *keys: str) -> float | None:
    inner: Mapping[str, Any] = raw
    for key in keys[:-1]:
        inner = _object(inner.get(key, {}), f'"{key}"')
    return _number(inner, keys[-1], f'"{keys[0]}"')


def _triggers(value: object) -> tuple[TriggerTime, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        _fail('"Triggers" is not a list')
    return tuple(_trigger(_object(item, '"Triggers"')) for item in value)


def _trigger(raw: Mapping[str, Any]) -> TriggerTime:
    place = '"Triggers"'
    return TriggerTime(
        name=_text(raw, "Trigger Name", place) or _text(raw, "Constraint Name", place) or "trigger",
        time_ms=_number(raw, "Time", place) or 0.0,
        calls=_number(raw, "Calls", place) or 0.0,
        relation_name=_text(raw, "Relation", place),
        constraint_name=_text(raw, "Constraint Name", place),
    )


def _json(value: object, place: str, depth: int = 0) -> Any:
    """A copy that holds nothing but what JSON can carry; attributes are shallow by nature."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        # Not a number and infinity are never within it.
        return value if abs(value) <= MAX_NUMBER else _fail(f"a number of {place} is out of range", place)
    if depth < 20 and isinstance(value, list | tuple):
        return [_json(item, place, depth + 1) for item in value]
    if depth < 20 and isinstance(value, Mapping):
        return {key: _json(item, place, depth + 1) for key, item in _object(value, place).items()}
    _fail(f"{place} holds {_kind(value)}")


def _kind(value: object) -> str:
    names = {type(None): "nothing", str: "text", bool: "true or false", int: "a number", float: "a number"}
    if isinstance(value, Mapping):
        return "an object"
    return (
        "a list" if isinstance(value, list | tuple) else names.get(type(value), f"a {type(value).__name__}")
    )
