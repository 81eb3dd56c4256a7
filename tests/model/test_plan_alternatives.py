"""Two plans of one statement, and what the program saw of it."""

import pytest

from perfkit.model.builders import trace
from perfkit.model.plan import AlternativePlan, Plan, PlanNode
from perfkit.model.plan_alternatives import extra_in_block_ms, extra_ms, other_plans, shape
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_client import outside_server_ms, planning_blocks

SCAN = node("Seq Scan", ms=60, relation_name="orders")
LOOKUP = node("Index Scan", ms=2, relation_name="orders", index_name="orders_status")


def test_plans_are_the_same_that_read_the_same_in_the_same_way():
    assert shape(plan(SCAN)) == shape(plan(node("Seq Scan", ms=9, rows=7, relation_name="orders")))
    assert shape(plan(SCAN)) != shape(plan(LOOKUP))
    nested = node("Append", node("Append", LOOKUP), SCAN)
    assert shape(plan(nested)) != shape(plan(node("Append", node("Append", LOOKUP, SCAN))))


def test_only_other_plans_of_the_kind_are_told():
    others = (AlternativePlan("generic", plan(SCAN)), AlternativePlan("cursor", plan(LOOKUP)))
    block = trace(plans=(plan(LOOKUP, alternatives=others),))

    assert [other.plan.root.node_type for _, _, other in other_plans(block, "generic")] == ["Seq Scan"]
    assert list(other_plans(block, "cursor")) == []
    assert list(other_plans(trace(), "cursor")) == []


def test_planning_anew_is_the_price_of_a_plan_for_the_values():
    item = plan(LOOKUP, planning_time_ms=8.0)

    assert extra_ms(item, AlternativePlan("generic", plan(SCAN))) == pytest.approx(50)
    assert extra_ms(item, AlternativePlan("cursor", plan(SCAN))) == pytest.approx(58)


def test_what_was_not_measured_cannot_be_compared():
    estimated = Plan("postgresql", "", PlanNode(0, "Seq Scan"), analyzed=False)

    assert extra_ms(plan(LOOKUP), AlternativePlan("generic", estimated)) is None
    assert extra_ms(estimated, AlternativePlan("generic", plan(LOOKUP))) is None


def test_each_execution_by_the_other_plan_counts_but_never_more_than_the_block():
    block, item = trace(duration_ms=400), plan(LOOKUP, executions=3)

    assert extra_in_block_ms(50, item, AlternativePlan("generic", plan(SCAN)), block) == 150
    assert extra_in_block_ms(50, item, AlternativePlan("generic", plan(SCAN), executions=5), block) == 250
    assert extra_in_block_ms(50, item, AlternativePlan("generic", plan(SCAN), executions=99), block) == 400


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"client_time_ms": 100.0}, 39.9),
        ({"client_time_ms": 100.0, "serialization_time_ms": 20.0}, 59.9),
        ({"client_time_ms": 30.0}, 0.0),
        ({}, 0.0),
        ({"client_time_ms": 100.0, "execution_time_ms": None}, 0.0),
    ],
)
def test_what_the_server_did_not_take_was_handing_over_or_waiting(said, left):
    assert outside_server_ms(plan(SCAN, **said)) == pytest.approx(left)


@pytest.mark.parametrize("attributes", [{}, {"Planning": 3}, {"Planning": {"Shared Hit Blocks": "x"}}])
def test_blocks_of_planning_are_none_where_nothing_is_said(attributes):
    assert planning_blocks(plan(SCAN, attributes=attributes)) == (0, 0)
