"""Sub-queries of a plan: what ties them to a row, and how they are asked."""

import pytest

from perfkit.model.plan import PlanNode
from perfkit.model.plan_builders import node
from perfkit.model.plan_subplans import correlation, is_asked_for_existence, negated_search, subplans


def called(name: str = "SubPlan 1", **conditions: str) -> PlanNode:
    scan = node("Index Scan", relation_name="orders", alias="o", **conditions)
    return node("Aggregate", scan, parent_relationship="SubPlan", subplan_name=name)


@pytest.mark.parametrize(
    ("conditions", "tie"),
    [
        ({"Index_Cond": "(o.customer_id = c.id)"}, ("customer_id", "c.id")),
        ({"Index_Cond": "(o.id > 5)", "Filter": "(o.customer_id = c.id)"}, ("customer_id", "c.id")),
        ({"Filter": '((o.code)::text = (c."Code")::text)'}, ("code", 'c."Code"')),
        ({"Filter": '(o."Customer" = c."Id")'}, ('"Customer"', 'c."Id"')),
        ({"Filter": "(o.customer_id = 42)"}, None),
        ({"Filter": "(o.customer_id = o.id)"}, None),
        ({"Filter": "(o.customer_id <> c.id)"}, None),
        ({}, None),
    ],
)
def test_a_column_from_outside_ties_a_sub_query_to_its_row(conditions, tie):
    found = correlation(called(**conditions))

    assert (found and (found.column, found.outer_value)) == tie


@pytest.mark.parametrize(
    ("condition", "statement", "column"),
    [
        ("(NOT (ANY (c.id = (SubPlan 1).col1)))", "", "c.id"),
        ("((c.x = 3) AND (NOT (ANY (c.id = (SubPlan 1).col1))))", "", "c.id"),
        ("(ALL (c.id <> (SubPlan 1).col1))", "", "c.id"),
        ("(NOT (SubPlan 1))", "SELECT 1 WHERE id NOT IN (SELECT 2)", ""),
        ("(NOT (SubPlan 1))", "SELECT 1 WHERE NOT EXISTS (SELECT 2)", None),
        ("(NOT (ANY (c.id = (hashed SubPlan 1).col1)))", "", None),
        ("(NOT (hashed SubPlan 1))", "SELECT 1 WHERE id NOT IN (SELECT 2)", None),
        ("(ANY (c.id = (SubPlan 1).col1))", "", None),
        ("(NOT (ANY (c.id = (SubPlan 9).col1)))", "", None),
        ("(NOT EXISTS(SubPlan 1))", "", None),
    ],
)
def test_not_in_that_searches_is_told_from_what_looks_like_it(condition, statement, column):
    found = negated_search(node("Seq Scan", called(), Filter=condition), statement)

    assert (found and found.column) == column


def test_existence_is_asked_where_the_plan_says_so():
    first, second = called(), called("SubPlan 2")
    parent = node(
        "Seq Scan", first, second, Filter="((c.x = 1) OR EXISTS(SubPlan 1))", Output=["(SubPlan 2)"]
    )

    assert is_asked_for_existence(parent, first)
    assert not is_asked_for_existence(parent, second)
    assert [item.subplan_name for item in subplans(parent)] == ["SubPlan 1", "SubPlan 2"]
