"""The plans of a result, taken out: as JSON and as a DataFrame."""

import json

import pytest

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.trace import Trace
from perfkit.session import Result

TWO = Result(planned_trace(node("Seq Scan", ms=2, rows=5, relation_name="orders"), node("Sort", ms=3)))


def test_each_plan_comes_as_json_under_its_number():
    assert json.loads(TWO.plan_json())[0]["Plan"]["Relation Name"] == "orders"
    assert json.loads(TWO.plan_json(1))[0]["Plan"]["Node Type"] == "Sort"


def test_each_plan_comes_as_rows_under_its_number():
    frame = TWO.plan_frame()

    assert list(frame["node"]) == ["Seq Scan on orders"]
    assert frame["self_time_ms"].sum() == 2
    assert list(TWO.plan_frame(1)["node"]) == ["Sort"]


@pytest.mark.parametrize("number", [2, -1])
def test_a_plan_that_is_not_there_is_said(number):
    with pytest.raises(LookupError, match=f"There is no plan {number}; this block holds plans 0 to 1"):
        TWO.plan_json(number)


def test_a_block_without_plans_says_how_to_get_one():
    with pytest.raises(LookupError, match="This block holds no query plan"):
        Result(Trace("block", "", 1.0)).plan_frame()


def test_the_json_is_for_postgresql_alone():
    other = Plan("sqlite", "", PlanNode(0, "QUERY PLAN"), analyzed=False)

    with pytest.raises(LookupError, match="This is a plan of sqlite; the JSON is PostgreSQL's format"):
        Result(Trace("block", "", 1.0, plans=(other,))).plan_json()
