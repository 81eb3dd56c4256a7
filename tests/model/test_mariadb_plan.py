"""MariaDB's plans: recorded on MariaDB 10.11, and what is damaged is refused in one line."""

import json
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_reader import PlanFormatError
from perfkit.rules import diagnose
from perfkit.views import plan_tree

FILES = sorted((Path(__file__).parent / "mariadb_plans").glob("*.json"))
RECORDED = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
EACH = pytest.mark.parametrize("data", RECORDED.values(), ids=RECORDED)
# Two clocks jitter, and setting up a query block takes a few microseconds.
TOLERANCE, JITTER_MS = 0.02, 0.02

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def the(plan: Plan, node_type: str, alias: str | None = None) -> PlanNode:
    (found,) = (node for node in plan.nodes() if node.node_type == node_type and alias in (None, node.alias))
    return found


def containers(value: object) -> list[dict | list]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [found for item in inner for found in containers(item)]
    return [value, *below] if isinstance(value, dict | list) and value else below


@EACH
def test_own_times_add_up_to_what_mariadb_measured(data):
    plan = read_mariadb_plan(data)
    own = sum(node.self_time_ms or 0.0 for node in plan.nodes())
    said = plan.execution_time_ms or plan.root.total_time_ms or 0.0

    assert own == pytest.approx(said, rel=TOLERANCE, abs=JITTER_MS)


@EACH
def test_a_plan_is_the_same_from_text_and_from_value_and_survives_json(data):
    plan = read_mariadb_plan(data, "SELECT 1")
    block = trace(plans=(plan,), duration_ms=plan.duration_ms or 0.0)

    assert read_mariadb_plan(json.dumps(data), "SELECT 1") == plan
    assert codec.loads(codec.dumps(block)) == block
    assert [node.node_id for node in plan.nodes()] == list(range(len(list(plan.nodes()))))
    assert plan_tree.as_html(plan).markup


def test_a_scan_keeps_what_was_said_of_it_under_mariadbs_own_keys():
    scan = the(read_mariadb_plan(RECORDED["full_scan"]), "full table scan")

    assert scan.attributes["access_type"] == "ALL"
    assert scan.attributes["r_filtered"] == 0.1
    assert scan.attributes["attached_condition"] == "orders.`status` = 'refunded'"
    assert scan.relation_name == "orders"


def test_rows_are_those_that_pass_the_condition():
    scan = the(read_mariadb_plan(RECORDED["full_scan"]), "full table scan")

    assert scan.total_rows == pytest.approx(200)
    assert scan.total_rows_removed == pytest.approx(199_800)
    assert scan.plan_rows == scan.attributes["rows"]


def test_totals_over_the_loops_are_not_multiplied_again():
    plan = read_mariadb_plan(RECORDED["sort_by_total"])
    lookup = the(plan, "unique index lookup")

    assert lookup.actual_loops == 200_000
    assert lookup.index_name == "PRIMARY"
    said = lookup.attributes["r_table_time_ms"] + lookup.attributes["r_other_time_ms"]
    assert lookup.self_time_ms == pytest.approx(said)
    assert lookup.rounding_ms == 0


def test_sorting_is_charged_to_the_sort_and_not_to_the_table_below_it():
    plan = read_mariadb_plan(RECORDED["sort_with_merge"])
    sort, scan = the(plan, "filesort"), the(plan, "full table scan")

    assert scan.self_time_ms == pytest.approx(scan.attributes["r_table_time_ms"])
    assert sort.self_time_ms == pytest.approx(
        sort.attributes["r_total_time_ms"] - scan.attributes["r_table_time_ms"]
    )


def test_a_join_buffer_holds_the_time_of_comparing_and_every_pair_it_compared():
    join = the(read_mariadb_plan(RECORDED["join_buffer"]), "block-nl-join")

    assert join.actual_loops == 2_000
    assert join.self_time_ms == pytest.approx(
        join.attributes["r_unpack_time_ms"] + join.attributes["r_other_time_ms"]
    )
    assert join.total_rows + join.total_rows_removed == pytest.approx(
        2_000 * join.attributes["r_effective_rows"]
    )


def test_a_row_that_was_read_while_planning_is_not_called_never_executed():
    row = the(read_mariadb_plan(RECORDED["constant_row"]), "constant row")

    assert row.executed is None


@pytest.mark.parametrize(
    ("query_text", "table"),
    [
        ("SELECT c.name FROM customers AS c JOIN tags t ON t.label = c.city", "customers"),
        ("SELECT c.name FROM `customers` c, tags t WHERE c.city = %s AND c.name LIKE %(name)s", "customers"),
        ("SELECT (SELECT max(id) FROM tags c) FROM customers c", "c"),
        ("this is not SQL at all (", "c"),
        ("", "c"),
    ],
)
def test_the_table_behind_an_alias_is_found_in_the_statement(query_text, table):
    scan = the(read_mariadb_plan(RECORDED["join_buffer"], query_text), "full table scan", alias="c")

    assert scan.relation_name == table


def test_a_plan_that_was_not_executed_has_no_times():
    plan = read_mariadb_plan(RECORDED["explained_only"])

    assert not plan.analyzed
    assert plan.duration_ms is None
    assert the(plan, "full table scan").plan_rows == 5_000


def test_what_needs_no_table_says_why():
    plan = read_mariadb_plan(RECORDED["impossible"])

    assert plan.analyzed
    assert the(plan, "Impossible WHERE").relation_name is None


@EACH
def test_no_rule_about_postgresql_speaks_of_it(data):
    plan = read_mariadb_plan(data)
    findings = diagnose(trace(plans=(plan,), duration_ms=plan.duration_ms or 0.0)).findings

    assert [item.code for item in findings if "PK200" <= item.code < "PK290"] == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{", "line 1, column 2"),
        ("[" * 100_000, "cannot be decoded"),
        ([{"Plan": {}}], "the whole is a list"),
        ({"Plan": {}}, '"query_block" is missing'),
        ({"query_block": {"nested_loop": {}}}, '"nested_loop" is an object where a list belongs'),
        ({"query_block": {"nested_loop": [3]}}, 'an element of "nested_loop" is a number'),
        ({"query_block": {"table": {"r_rows": "many"}}}, '"r_rows" is text where a number belongs'),
        ({"query_block": {"r_total_time_ms": -1}}, '"r_total_time_ms" is out of range'),
        ({"query_block": {"note": object()}}, "holds a value of type object"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(data, expected):
    with pytest.raises(PlanFormatError) as caught:
        read_mariadb_plan(data)

    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_plan_of_ten_thousand_levels_is_refused():
    data: dict = {}
    for _ in range(10_000):
        data = {"materialized": data}

    with pytest.raises(PlanFormatError, match="levels deep"):
        read_mariadb_plan({"query_block": data})


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_plan_is_read_or_refused_and_nothing_else(data):
    damaged = deepcopy(data.draw(st.sampled_from(list(RECORDED.values()))))
    place = data.draw(st.sampled_from(containers(damaged)))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(json_values)

    with suppress(PlanFormatError):
        plan = read_mariadb_plan(damaged)
        block = trace(plans=(plan,))
        assert codec.loads(codec.dumps(block)) == block
        assert plan_tree.as_text(plan)
