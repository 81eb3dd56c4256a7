"""Which node of one plan does the work of which node of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_match import match_plans
from perfkit.model.plan_reader import read_postgresql_plan
from tests.plans.large import deep_plan, wide_plan


def scan(table, node_type="Seq Scan", **said):
    return node(node_type, relation_name=table, **said)


def name(item):
    return None if item is None else f"{item.node_type} {item.relation_name or ''}".strip()


def pairs(before, after):
    """Both sides of every pair, in a few words."""
    return [(name(pair.before), name(pair.after)) for pair in match_plans(plan(before), plan(after))]


def test_a_scan_is_matched_by_its_table_whatever_index_it_uses():
    before = node("Sort", scan("orders"))
    after = node("Sort", scan("orders", "Index Scan", index_name="by_user"))

    assert pairs(before, after) == [("Sort", "Sort"), ("Seq Scan orders", "Index Scan orders")]


def test_what_has_gone_stands_where_it_was_and_what_is_new_where_it_is():
    before = node("Limit", node("Sort", scan("orders")))
    after = node("Limit", node("Materialize", scan("orders", "Index Scan")))

    assert pairs(before, after) == [
        ("Limit", "Limit"),
        (None, "Materialize"),
        ("Sort", None),
        ("Seq Scan orders", "Index Scan orders"),
    ]


def test_a_bitmap_scan_is_the_same_scan_and_its_parts_are_new():
    bitmap = scan("orders", "Bitmap Heap Scan")
    after = node("Bitmap Heap Scan", node("Bitmap Index Scan", index_name="by_user"), relation_name="orders")

    assert pairs(scan("orders"), after) == [
        ("Seq Scan orders", "Bitmap Heap Scan orders"),
        (None, "Bitmap Index Scan"),
    ]
    assert pairs(after, bitmap)[1] == ("Bitmap Index Scan", None)


def test_another_join_of_the_same_tables_is_the_same_join_with_its_sides_swapped():
    before = node("Hash Join", scan("orders"), node("Hash", scan("customers")))
    after = node("Nested Loop", scan("customers"), scan("orders", "Index Scan"))

    assert pairs(before, after) == [
        ("Hash Join", "Nested Loop"),
        ("Hash", None),
        ("Seq Scan customers", "Seq Scan customers"),
        ("Seq Scan orders", "Index Scan orders"),
    ]


def test_joins_of_other_tables_are_not_taken_for_each_other():
    before = node("Hash Join", node("Hash Join", scan("a"), scan("b")), scan("c"))
    after = node("Hash Join", node("Merge Join", scan("b"), scan("c")), scan("a"))

    assert ("Hash Join", "Hash Join") in pairs(before, after)
    assert (None, "Merge Join") in pairs(before, after)
    assert ("Hash Join", None) in pairs(before, after)


def test_the_same_table_under_two_names_is_two_scans():
    before = node("Nested Loop", scan("orders", alias="a"), scan("orders", alias="b", index_name="i"))
    after = node("Nested Loop", scan("orders", alias="b"), scan("orders", alias="a"))

    found = match_plans(plan(before), plan(after))
    assert [(pair.before.alias, pair.after.alias) for pair in found[1:]] == [("b", "b"), ("a", "a")]


def test_scans_of_one_cte_are_matched_in_order():
    before = node("Append", node("CTE Scan", CTE_Name="big", ms=1), node("CTE Scan", CTE_Name="big", ms=2))

    found = match_plans(plan(before), plan(before))
    assert [pair.before.node_id for pair in found] == [pair.after.node_id for pair in found] == [0, 1, 2]


def test_a_node_above_no_table_is_matched_by_the_nodes_above_it():
    before = node("Append", scan("orders"), node("Result", ms=1))
    after = node("Append", scan("orders"), node("Limit", node("Result")), node("Result", ms=2))

    assert pairs(before, after)[-1] == ("Result", "Result")
    assert pairs(before, after).count(("Result", "Result")) == 1


def test_a_gather_that_came_leaves_the_rest_in_place():
    before = node("Aggregate", scan("orders"))
    after = node("Aggregate", node("Gather", node("Aggregate", scan("orders"), Partial_Mode="Partial")))

    assert pairs(before, after) == [
        ("Aggregate", "Aggregate"),
        (None, "Gather"),
        (None, "Aggregate"),
        ("Seq Scan orders", "Seq Scan orders"),
    ]


def test_plans_with_nothing_in_common_share_nothing():
    assert pairs(scan("a"), scan("b")) == [(None, "Seq Scan b"), ("Seq Scan a", None)]


def test_depths_are_those_of_each_side():
    before = plan(node("Limit", node("Sort", scan("orders"))))
    after = plan(node("Limit", scan("orders", "Index Scan")))

    assert [(pair.before_depth, pair.after_depth) for pair in match_plans(before, after)] == [
        (0, 0),
        (1, 0),
        (2, 1),
    ]


@pytest.mark.parametrize("text", [wide_plan(10_000), deep_plan(220)], ids=["10,000 nodes", "220 levels"])
def test_a_large_plan_is_matched_with_itself(text):
    whole = read_postgresql_plan(text)

    found = match_plans(whole, whole)
    assert all(pair.before is pair.after for pair in found)


TREES = st.recursive(
    st.builds(
        node, st.sampled_from(["Seq Scan", "Result"]), relation_name=st.sampled_from([None, "a", "b", "c"])
    ),
    lambda below: st.builds(
        lambda kind, children: node(kind, *children),
        st.sampled_from(["Sort", "Hash Join", "Nested Loop", "Append", "Hash", "Aggregate"]),
        st.lists(below, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


@given(TREES, TREES)
def test_every_node_of_both_plans_stands_in_exactly_one_pair(before, after):
    old, new = plan(before), plan(after)
    found = match_plans(old, new)

    assert sorted(pair.before.node_id for pair in found if pair.before) == list(range(len(list(old.nodes()))))
    assert [pair.after.node_id for pair in found if pair.after] == list(range(len(list(new.nodes()))))
    assert all(pair.before or pair.after for pair in found)


@given(TREES)
def test_a_plan_matched_with_itself_pairs_each_node_with_itself(root):
    whole = plan(root)

    assert all(pair.before is pair.after for pair in match_plans(whole, whole))
