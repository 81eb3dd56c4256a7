"""Filters taken apart. The texts are those that PostgreSQL 18 wrote for the statements beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.plan_builders import node
from perfkit.model.plan_predicates import Predicate, bare, predicates, read_predicates

NAMES = ("customers", "c")


def one(text: str) -> Predicate:
    (found,) = read_predicates(text, NAMES)
    return found


@pytest.mark.parametrize(
    ("text", "kind", "expression"),
    [
        ("(customers.city = 'Bern'::text)", "plain", "city"),
        ("(city IS NULL)", "plain", "city"),
        ("(lower(customers.email) = ?::text)", "function", "lower(email)"),
        ("(lower((customers.code)::text) = 'c5'::text)", "function", "lower((code)::text)"),
        (
            "(date_trunc('day'::text, customers.joined) = ?::timestamp without time zone)",
            "function",
            "date_trunc('day'::text, joined)",
        ),
        ("(EXTRACT(year FROM customers.at) = '2024'::numeric)", "function", "EXTRACT(year FROM at)"),
        ("(COALESCE(customers.city, ''::text) = 'x'::text)", "function", "COALESCE(city, ''::text)"),
        (
            "(SUBSTRING(customers.email FROM 1 FOR 5) = 'User5'::text)",
            "function",
            "SUBSTRING(email FROM 1 FOR 5)",
        ),
        ("(CASE WHEN (c.city = 'x'::text) THEN 1 ELSE 2 END = 1)", "function",
         "CASE WHEN (city = 'x'::text) THEN 1 ELSE 2 END"),
        ("((customers.amount + 1) = 42)", "arithmetic", "amount + 1"),
        ("((customers.number)::integer = 42)", "cast", "(number)::integer"),
        ("((c.id)::double precision = ANY (?::double precision[]))", "cast", "(id)::double precision"),
        ("(customers.email ~~ ?::text)", "like", "email"),
        ("((customers.code)::text !~~* 'a%'::text)", "like", "(code)::text"),
        ("((customers.name)::text ~ '^(?:.*(?:5|6)9)$'::text)", "regex", "(name)::text"),
        ("((customers.doc ->> 'k'::text) = '42'::text)", "json", "doc ->> 'k'::text"),
        ("(((customers.doc ->> 'k'::text))::integer = 42)", "json", "((doc ->> 'k'::text))::integer"),
        ("(customers.doc['k'::text] = '42'::jsonb)", "json", "doc['k'::text]"),
        ("(customers.doc @> '{\"k\": 42}'::jsonb)", "contains", "doc"),
        ("(customers.doc ? 'zz'::text)", "contains", "doc"),
        ("('t5'::text = ANY (customers.tags))", "member", "tags"),
        ("(NOT (ANY (customers.id = (hashed SubPlan 1).col1)))", "other", ""),
        ("(orders.customer_id = o.id)", "other", ""),
        ("<unparsable query>", "other", ""),
    ],
)  # fmt: skip
def test_a_condition_is_what_it_does_to_the_column(text, kind, expression):
    found = one(text)

    assert (found.kind, found.expression) == (kind, expression)


def test_every_condition_that_and_joins_is_one():
    found = read_predicates(
        "((c.a = 1) AND ((c.b = 2) OR (c.d = 3)) AND (lower(c.e) = 'x AND y'::text))", NAMES
    )

    assert [item.kind for item in found] == ["plain", "or", "function"]
    assert [arm.columns for arm in found[1].arms] == [("b",), ("d",)]
    assert found[2].value == "'x AND y'::text"


def test_an_arm_of_or_stands_for_what_an_index_would_begin_with():
    found = one("(((lower(c.a) = 'x'::text) AND (c.b = 2)) OR (c.d IS NULL))")

    assert [arm.expression for arm in found.arms] == ["b", "d"]


def test_a_condition_is_turned_round_where_the_column_stands_on_the_right():
    found = one("(42 < customers.amount)")

    assert (found.expression, found.operator, found.value) == ("amount", ">", "42")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("(lower(c.email) = 'x'::text)", "lower(email)"),
        ("((c.number)::integer = 42)", "((number)::integer)"),
        ("((c.doc ->> 'k'::text) = 'v'::text)", "(doc ->> 'k')"),
        ("(lower(c.\"Full Name\") = 'x'::text)", 'lower("Full Name")'),
        ("((lower(c.a) || lower(c.b)) = 'xy'::text)", "(lower(a) || lower(b))"),
        ("(c.email ~~ 'a%'::text)", "email"),
        ("(lower(c.email) = lower('c.email'::text))", "lower(email)"),
    ],
)
def test_an_index_key_is_written_as_create_index_wants_it(text, key):
    assert one(text).index_key == key


@pytest.mark.parametrize(
    ("text", "is_fixed"),
    [
        ("(lower(c.email) = ?::text)", True),
        ("(substr(c.email, ?, 3) = 'abc'::text)", False),
        ("((c.doc ->> ?::text) = ?::text)", False),
        ("((c.doc ? 'a'::text) = true)", True),
        ("(replace(c.name, '?'::text, ''::text) = 'x'::text)", True),
    ],
)
def test_values_that_were_left_out_are_told_from_operators_and_text(text, is_fixed):
    assert one(text).is_fixed is is_fixed


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("((c.code)::text ~~ 'a%'::text)", "code"),
        ("(c.email ~~ 'a%'::text)", "email"),
        ("(lower(c.email) ~~ 'a%'::text)", None),
        ("((c.id)::integer = 4)", None),
    ],
)
def test_a_cast_to_text_leaves_a_plain_column(text, column):
    assert one(text).column == column


def test_the_alias_and_the_name_of_the_table_are_taken_away_and_no_other():
    scan = node("Seq Scan", relation_name="Customer List", alias="c", Filter="(lower(c.name) = cc.name)")

    (found,) = predicates(scan)

    assert (found.expression, found.value) == ("lower(name)", "cc.name")


def test_a_node_without_a_filter_has_no_predicates():
    assert predicates(node("Seq Scan", relation_name="customers")) == ()


@pytest.mark.parametrize(
    "text", ["", "(", ")", "((a = 1)", "a = 1)", "('", "(a = ", "AND", "( AND )", "(" * 500]
)
def test_text_that_is_no_condition_does_no_harm(text):
    assert all(isinstance(item, Predicate) for item in read_predicates(text, NAMES))


@given(st.text(alphabet="abc.=()'\"?~<> ANDOR:[]%1", max_size=60))
def test_no_text_raises(text):
    for found in read_predicates(text, NAMES):
        assert found.index_key is not None
        assert found.is_fixed in (True, False)


@given(st.text(alphabet="ab.:", min_size=1, max_size=30), st.integers(0, 5))
def test_all_parentheses_around_the_whole_are_taken_away(text, depth):
    assert bare("(" * depth + text + ")" * depth) == text


@pytest.mark.parametrize("text", ["(a) = (b)", "lower(a)", "')' = (a)", "(a, b)::text"])
def test_parentheses_around_a_part_stay(text):
    assert bare(f"({text})") == text


@given(
    st.sampled_from(
        ["c.a = 1", "lower(c.b) = 'x'::text", "c.d ~~ '%)(%'::text", "(c.doc ->> 'AND'::text) = 'v'::text"]
    ),
    st.sampled_from(["c.e > 2", "c.f IS NULL", "'OR'::text = ANY (c.tags)"]),
)
def test_conditions_come_apart_as_they_were_put_together(left, right):
    found = read_predicates(f"(({left}) AND ({right}))", NAMES)

    assert [bare(item.text) for item in found] == [left, right]
