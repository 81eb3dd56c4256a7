"""A plan written as PostgreSQL's JSON reads back to the same plan."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.plan_writer import plan_json
from tests.plans.large import deep_plan, wide_plan
from tests.plans.recording import KINDS, load, names

FILES = sorted((Path(__file__).parent / "plans").glob("*.json"))
RECORDED = [
    plan
    for name in names()
    for kind in KINDS
    for plan in load(name, kind).plans or ()
    if plan.system_name == "postgresql"
]


def as_the_database_said(whole):
    """Without what perfkit added to the plan."""
    return replace(
        whole, query_text="", fingerprint=None, executions=1, call_site=None, notes=(), tables=(),
        foreign_keys=(), client_time_ms=None, parameter_types=(), alternatives=(),
    )  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_of_what_the_database_said_is_lost_or_added(file):
    text = file.read_text(encoding="utf-8")
    (said,) = json.loads(text)
    (written,) = json.loads(plan_json(read_postgresql_plan(text)))

    assert written == {key: value for key, value in said.items() if value not in ([], {})}


@pytest.mark.parametrize("whole", RECORDED, ids=range(len(RECORDED)))
def test_a_recorded_plan_reads_back_equal(whole):
    assert read_postgresql_plan(plan_json(whole)) == as_the_database_said(whole)


@pytest.mark.parametrize("text", [wide_plan(1000), deep_plan(220)], ids=["1,000 nodes", "220 levels"])
def test_large_and_deep_plans_read_back_equal(text):
    whole = read_postgresql_plan(text)

    assert read_postgresql_plan(plan_json(whole)) == whole


NAMES = st.text(max_size=20)
NODES = st.recursive(
    st.builds(
        node, st.text(min_size=1, max_size=20), ms=st.floats(0, 1e6), rows=st.floats(0, 1e100),
        loops=st.integers(0, 10**6), relation_name=NAMES, schema=NAMES, Filter=NAMES,
        shared_hit_blocks=st.integers(0, 10**9), Sort_Key=st.lists(NAMES, max_size=3),
    ),
    lambda below: st.builds(
        lambda kind, children: node(kind, *children), st.text(min_size=1), st.lists(below, max_size=3)
    ),
    max_leaves=10,
)  # fmt: skip


@given(NODES)
def test_any_plan_reads_back_equal(root):
    whole = plan(root, query_text="")

    assert read_postgresql_plan(plan_json(whole)) == whole


@pytest.mark.parametrize(
    "trigger",
    [
        TriggerTime("watch", 12.5, 3000, "watched"),
        TriggerTime("orders_fkey", 1.0, 2, "orders", "orders_fkey"),
        TriggerTime("RI_Trigger_c_1", 1.0, 2, "orders", "orders_fkey"),
        TriggerTime("trigger", 0.0),
    ],
)
def test_triggers_read_back_equal(trigger):
    whole = plan(node("ModifyTable", ms=3), query_text="", triggers=(trigger,))

    assert read_postgresql_plan(plan_json(whole)).triggers == (trigger,)


def test_whole_numbers_are_written_as_the_database_writes_them():
    text = plan_json(plan(node("Seq Scan", rows=15, ms=0.25)))

    assert '"Actual Rows": 15,' in text
    assert '"Actual Total Time": 0.25' in text


def test_a_plan_of_another_database_is_refused():
    other = Plan("sqlite", "", PlanNode(0, "QUERY PLAN"), analyzed=False)

    with pytest.raises(LookupError, match="This is a plan of sqlite"):
        plan_json(other)
