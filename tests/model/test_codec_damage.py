"""Saved traces that something has damaged: refused in one line, or read and judged; nothing else."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit import rules
from perfkit.model import codec
from perfkit.model.plan_builders import node, planned_trace
from perfkit.views import block

EXAMPLES = [codec.trace_to_json(example) for rule in rules.all_rules() for example in rule.fires_on]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([10**9, 10**400, 1e308, -0.5, float("nan"), float("inf")]),
    st.sampled_from(["", "Seq Scan", "InitPlan 1", "<script>", "(a = 1)", "12 kB"]),
    st.lists(st.integers(-1, 1), max_size=2),
    st.dictionaries(st.sampled_from(["", "a", "node_type"]), st.none() | st.text(max_size=3), max_size=2),
)


def containers(value):
    """Every list and every object in a value of JSON that holds something."""
    found, pending = [], [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict | list) and current:
            found.append(current)
            pending.extend(current.values() if isinstance(current, dict) else current)
    return found


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_damaged_trace_is_refused_in_one_line_or_judged_and_shown(data):
    damaged = deepcopy(data.draw(st.sampled_from(EXAMPLES)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(containers(damaged["trace"])))
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
        else:
            del place[key]
        if not containers(damaged["trace"]):
            break
    read, refusal = None, ""
    try:
        read = codec.loads(json.dumps(damaged))
    except codec.TraceFormatError as error:
        refusal = str(error)
    if read is None:
        assert len(refusal.splitlines()) == 1
    else:
        diagnosis = rules.diagnose(read)
        assert block.as_text(read, diagnosis)
        assert block.as_html(read, diagnosis).markup
        assert codec.loads(codec.dumps(read)) == read


def saved_plan():
    return codec.trace_to_json(planned_trace(node("Sort", node("Seq Scan", ms=1), ms=2, Sort_Key=["a"])))


def root_of(saved):
    return saved["trace"]["plans"][0]["root"]


DAMAGED_NODES = {
    "no attributes": {"attributes": None},
    "attributes that are a list": {"attributes": []},
    "a number that is none": {"attributes": {"Sort Space Used": float("nan")}},
    "a number without end": {"actual_rows": float("inf")},
    "a number of 400 digits": {"actual_loops": 10**400},
    "an attribute of 500 levels": {"attributes": {"Sort Key": json.loads("[" * 500 + "]" * 500)}},
    "two nodes of one number": {"children": [{"node_id": 0, "node_type": "Sort"}]},
    "text where a count belongs": {"actual_loops": "1"},
    "true where a count belongs": {"actual_loops": True},
    "a child that is none": {"children": [None]},
}


@pytest.mark.parametrize("damage", DAMAGED_NODES)
def test_a_damaged_plan_is_refused_in_one_line(damage):
    saved = saved_plan()
    root_of(saved).update(DAMAGED_NODES[damage])
    with pytest.raises(codec.TraceFormatError, match="damaged") as refusal:
        codec.trace_from_json(saved)
    assert len(str(refusal.value).splitlines()) == 1


def test_an_undamaged_plan_is_read_with_all_that_the_database_said():
    saved = saved_plan()
    root_of(saved)["attributes"] |= {"Workers": [{"Worker Number": 0}], "Inner Unique": True, "Note": None}
    assert codec.trace_to_json(codec.trace_from_json(saved)) == saved


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema_version": true, "trace": {}}'])
def test_text_that_no_perfkit_wrote_is_refused_in_one_line(text):
    with pytest.raises(codec.TraceFormatError) as refusal:
        codec.loads(text)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_tree_deeper_than_python_can_follow_is_refused():
    saved, child = saved_plan(), {"node_id": 0, "node_type": "Seq Scan"}
    for number in range(1, 5_000):
        child = {"node_id": number, "node_type": "Sort", "children": [child]}
    saved["trace"]["plans"][0]["root"] = child
    with pytest.raises(codec.TraceFormatError, match="damaged"):
        codec.trace_from_json(saved)


def with_attribute(root, name, value):
    """The nodes with another value of one attribute, wherever the database said it."""
    attributes = {**root.attributes, name: value} if name in root.attributes else root.attributes
    children = tuple(with_attribute(child, name, value) for child in root.children)
    return replace(root, attributes=attributes, children=children)


@pytest.mark.parametrize("value", [[], [[]], True], ids=repr)
def test_every_rule_judges_plans_in_which_one_attribute_is_odd(value):
    for rule in rules.all_rules():
        for example in rule.fires_on:
            for number, plan in enumerate(example.plans or ()):
                for name in sorted({name for item in plan.nodes() for name in item.attributes}):
                    odd = replace(plan, root=with_attribute(plan.root, name, value))
                    plans = (*example.plans[:number], odd, *example.plans[number + 1 :])
                    rules.diagnose(replace(example, plans=plans))


def test_a_part_of_a_union_that_is_missing_ends_the_search_for_it():
    one = planned_trace(node("Unique", node("Gather", ms=50, rows=100_000), ms=90, rows=100_000))
    plan = replace(one.plans[0], query_text="SELECT a FROM t UNION SELECT a FROM u")
    judged = replace(one, plans=(plan,))
    assert block.as_text(judged, rules.diagnose(judged))
