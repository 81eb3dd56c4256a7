"""What ties the two sides of a join to each other."""

import pytest

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_joins import (
    equal_columns,
    join_sides,
    mentions,
    rows_removed_by_join,
    shared_values,
    tied_by_condition,
)


def scan(name, condition="", **said):
    return node("Seq Scan", relation_name=name, **({"Filter": condition} if condition else {}), **said)


def tied(root, left="a", right="b"):
    whole = plan(root)
    sides = {item.alias: item for item in whole.nodes() if item.alias}
    return tied_by_condition(whole, sides[left], sides[right])


def test_the_sides_of_a_join_are_told_by_their_relationship():
    outer, inner = scan("a"), node("Hash", scan("b"))
    assert join_sides(node("Aggregate", outer)) is None

    sides = join_sides(node("Hash Join", outer, inner))
    assert sides is not None
    assert [side.node_type for side in sides] == ["Seq Scan", "Hash"]


@pytest.mark.parametrize(
    ("condition", "is_mentioned"),
    [
        ("(b.id = users.id)", True),
        ('(b.id = "users".id)', True),
        ("(b.id = our_users.id)", False),
        ("(b.name = 'users.id'::text)", False),
        ("(b.users > 3)", False),
    ],
)
def test_a_column_of_another_table_is_seen_and_a_string_is_not(condition, is_mentioned):
    assert mentions(scan("b", condition), ["users"]) is is_mentioned


def test_nothing_is_mentioned_where_no_names_are_asked_for():
    assert not mentions(scan("b", "(b.id = 3)"), [])


def test_what_a_lateral_function_is_called_with_is_a_mention():
    call = node("Function Scan", alias="day", Function_Call="generate_series(orders.since, now())")
    listed = node("Result", Output=["(orders.id + 1)"])
    assert mentions(node("Append", call), ["orders"])
    assert mentions(listed, ["orders"])


def test_a_condition_further_up_ties_two_tables():
    product = node("Nested Loop", scan("a"), scan("b"))
    fact = node("Index Scan", relation_name="f", Index_Cond="((f.a_id = a.id) AND (f.b_id = b.id))")
    assert tied(node("Nested Loop", product, fact))
    assert not tied(node("Nested Loop", product, scan("f", "(f.a_id = a.id)")))


def test_two_tables_that_hang_on_the_same_third_are_tied():
    both = node("Nested Loop", scan("a", "(a.c_id = c.id)"), scan("b", "(b.c_id = c.id)"))
    one = node("Nested Loop", scan("a", "(a.c_id = c.id)"), scan("b"))
    assert tied(node("Nested Loop", scan("c"), both))
    assert not tied(node("Nested Loop", scan("c"), one))


@pytest.mark.parametrize(
    ("left", "right", "is_shared"),
    [
        ("(a.firm = 7)", "(b.firm = 7)", True),
        ("(a.firm = ?::integer)", "((b.firm = ?::integer) AND (b.x > 3))", True),
        ("(a.name = 'O''Hara'::text)", "(b.name = 'O''Hara'::text)", True),
        ("(a.firm = (InitPlan 1).col1)", "(b.firm = (InitPlan 1).col1)", True),
        ("(a.firm = ANY ('{1,2}'::integer[]))", "(b.firm = ANY ('{1,2}'::integer[]))", True),
        ("(a.firm = 7)", "(b.firm = 8)", False),
        ("(a.firm > 7)", "(b.firm > 7)", False),
        ("", "", False),
    ],
)
def test_a_value_that_both_sides_are_compared_with_is_seen(left, right, is_shared):
    assert shared_values(scan("a", left), scan("b", right)) is is_shared


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("(a.id = b.a_id)", ["a_id"]),
        ("((b.a_id = a.id) AND (b.day > a.day))", ["a_id"]),
        ('(b."Weird" = ANY (a.codes))', ['"Weird"']),
        ("((b.a_id = a.id) OR (b.c_id = a.id))", []),
        ("(lower(b.name) = a.name)", []),
        ("(b.day > a.day)", []),
        (None, []),
    ],
)
def test_the_columns_that_a_join_compares_for_equality(condition, columns):
    assert equal_columns(scan("b"), condition) == columns


def test_rows_removed_by_a_join_count_every_loop():
    assert rows_removed_by_join(node("Nested Loop", loops=3, Rows_Removed_by_Join_Filter=1000)) == 3000
    assert rows_removed_by_join(node("Nested Loop", loops=3)) == 0
