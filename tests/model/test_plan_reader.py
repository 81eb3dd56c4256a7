"""Reading plans: real ones keep their numbers, and whatever is damaged is refused in one line."""

import json
import re
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.plan import Plan
from perfkit.model.plan_json import MAX_DEPTH
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan
from perfkit.rules import diagnose, row_misestimate, selective_seq_scan, sort_on_disk
from perfkit.views import plan_tree

FILES = sorted((Path(__file__).parent / "plans").glob("*.json"))
RECORDED = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
RULES = (selective_seq_scan.RULE, row_misestimate.RULE, sort_on_disk.RULE)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def use(plan: Plan) -> None:
    """What is done with a plan that could be read."""
    block = trace(plans=(plan,), duration_ms=plan.duration_ms or 0.0)
    assert codec.loads(codec.dumps(block)) == block
    findings = diagnose(block, RULES).findings
    assert plan_tree.as_html(plan, findings).markup
    assert plan_tree.as_text(plan)
    assert plan_tree.rows(plan)


def reason(data: object) -> str:
    with pytest.raises(PlanFormatError) as caught:
        read_postgresql_plan(data)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def containers(value: object) -> list[dict | list]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [found for item in inner for found in containers(item)]
    return [value, *below] if isinstance(value, dict | list) and value else below


@pytest.mark.parametrize("data", RECORDED.values(), ids=RECORDED)
def test_real_plans_are_read_from_value_and_from_text_alike(data):
    plan = read_postgresql_plan(data, "SELECT 1")
    assert read_postgresql_plan(json.dumps(data), "SELECT 1") == plan
    assert read_postgresql_plan(data[0], "SELECT 1") == plan
    assert [node.node_id for node in plan.nodes()] == list(range(len(list(plan.nodes()))))
    use(plan)


@pytest.mark.parametrize("data", RECORDED.values(), ids=RECORDED)
def test_nothing_that_the_database_said_is_lost(data):
    plan = read_postgresql_plan(data)
    root, said = plan.root, data[0]["Plan"]
    assert root.plan_rows == said["Plan Rows"]
    assert root.actual_loops == said["Actual Loops"]
    named = {"Node Type", "Plans"}
    for key, value in said.items():
        if key not in named:
            assert value in (root.attributes.get(key), getattr(root, key.lower().replace(" ", "_"), None))


def test_query_level_times_are_read():
    plan = read_postgresql_plan(RECORDED["writable_cte_with_trigger"])
    assert plan.triggers[0].name == "watch"
    assert plan.triggers[0].calls == 3000
    assert plan.planning_time_ms > 0
    assert plan.execution_time_ms > plan.trigger_time_ms


def test_serialization_and_compilation_are_read_in_old_and_new_form():
    data = deepcopy(RECORDED["sort_on_disk"])
    data[0]["Serialization"] = {"Time": 300.5, "Output Volume": 12, "Format": "text"}
    data[0]["JIT"] = {"Functions": 3, "Timing": {"Generation": {"Deform": 0.1, "Total": 0.2}, "Total": 26.7}}
    plan = read_postgresql_plan(data)
    assert plan.serialization_time_ms == 300.5
    assert plan.jit_time_ms == 26.7
    assert plan.attributes["JIT"]["Functions"] == 3


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", "line 1, column 1"),
        ('[{"Plan": {\n"Node Type": "Seq', "line 2"),
        ("Seq Scan on orders", "line 1"),
        ("[" * 100_000, "cannot be decoded|line 1"),
        ([], "0 statements"),
        ([{"Plan": {"Node Type": "Result"}}] * 2, "2 statements"),
        (["Utility statements have no plan structure"], "utility statement"),
        ({}, '"Plan" is missing'),
        ([{"Plan": []}], "a list where an object belongs"),
        (None, "nothing where an object belongs"),
        (42, "a number where an object belongs"),
        ([{"Plan": {"Plan Rows": 1}}], '"Node Type" of Plan is missing'),
        ([{"Plan": {"Node Type": "Sort", "Plans": [{"Node Type": 3}]}}], '"Node Type" of Plan.0 is a number'),
        ([{"Plan": {"Node Type": "Sort", "Actual Loops": "1"}}], '"Actual Loops" of Plan is text'),
        ([{"Plan": {"Node Type": "Sort", "Actual Loops": 1.5}}], "not a whole number"),
        ([{"Plan": {"Node Type": "Sort", "Actual Rows": -1}}], "out of range"),
        ([{"Plan": {"Node Type": "Sort", "Plans": {}}}], "is not a list"),
        ('[{"Plan": {"Node Type": "Sort", "Actual Rows": NaN}}]', "out of range"),
        ('[{"Plan": {"Node Type": "Sort", "X": Infinity}}]', "out of range"),
        ([{"Plan": {"Node Type": "Sort", "X": 10**400}}], "out of range"),
        ([{"Plan": {"Node Type": "Sort"}, "Settings": {"x": float("inf")}}], 'number of "Settings"'),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(data, expected):
    assert re.search(expected, reason(data))


def test_a_chain_of_nodes_is_read_up_to_a_limit():
    def chain(levels: int) -> list[dict]:
        node: dict = {"Node Type": "Result"}
        for _ in range(levels - 1):
            node = {"Node Type": "Subquery Scan", "Plans": [node]}
        return [{"Plan": node}]

    assert len(list(read_postgresql_plan(chain(200)).nodes())) == 200
    assert "levels deep" in reason(chain(MAX_DEPTH + 1))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(RECORDED)), st.data())
def test_a_damaged_plan_is_read_or_refused_and_nothing_else(name, data):
    damaged = deepcopy(RECORDED[name])
    for _ in range(data.draw(st.integers(1, 4))):
        found = containers(damaged)
        if not found:
            break
        container = found[data.draw(st.integers(0, len(found) - 1))]
        keys = list(container) if isinstance(container, dict) else range(len(container))
        key = data.draw(st.sampled_from(list(keys)))
        if data.draw(st.booleans()):
            container[key] = data.draw(json_values)
        else:
            del container[key]
    try:
        plan = read_postgresql_plan(damaged)
    except PlanFormatError:
        return
    use(plan)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200) | json_values)
def test_anything_at_all_is_read_or_refused(value):
    with suppress(PlanFormatError):
        read_postgresql_plan(value)
