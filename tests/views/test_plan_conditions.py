"""The part of a condition that matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.views._plan_conditions import short, telling

TWENTY = " AND ".join(f"(orders.column_{number} = {number})" for number in range(20))


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("(orders.user_id = 42)", "user_id = 42"),
        ("((orders.a = 1) OR (other.b = 2))", "(a = 1) OR (other.b = 2)"),
        ("(orders.status = 'paid'::text)", "status = 'paid'"),
        ("(at >= '2026-01-01 00:00:00'::timestamp without time zone)", "at >= '2026-01-01 00:00:00'"),
        ("(at >= '2026-01-01'::timestamp(3) with time zone)", "at >= '2026-01-01'"),
        ("(name = 'x'::character varying(20))", "name = 'x'"),
        ("(kind = 'x'::\"Order Kind\")", "kind = 'x'"),
        ("(id = ANY ('{1,2,3,4,5}'::integer[]))", "id = ANY (1, 2, 3, … 5 values)"),
        ('(city = ANY (\'{"a, b",c,d,"e\\"f"}\'::text[]))', 'city = ANY ("a, b", c, d, … 4 values)'),
        ("(id <> ALL ('{1,2,3,4}'::integer[]))", "id <> ALL (1, 2, 3, … 4 values)"),
    ],
)
def test_what_says_nothing_is_left_out(condition, shown):
    assert telling(condition, "orders") == shown


@pytest.mark.parametrize(
    "condition",
    [
        "((a)::text = ?)",
        "((id)::numeric = ?)",
        "(big_orders.a = 1)",
        "(note = 'see orders.a and \"orders\".b')",
        "(id = ANY ('{1,2,3}'::integer[]))",
        "(a = ANY (?))",
        "(a = b)",
        "((a ~~ ?) AND (b = c)) OR (d = e)",
        "(a ~~ 'it''s (%')",
        "",
    ],
)
def test_what_tells_stays_a_cast_of_a_column_above_all(condition):
    wanted = condition
    if condition.startswith("(") and not condition.endswith("(d = e)"):
        wanted = condition[1:-1]
    assert telling(condition, "orders") == wanted


def test_a_quoted_table_is_recognised():
    assert telling('("my ""orders""".a = 1)', 'my "orders"') == "a = 1"


def test_of_many_conditions_the_first_are_shown_and_the_others_counted():
    shown = telling(f"({TWENTY})", "orders")

    assert shown.startswith("(column_0 = 0) AND (column_1 = 1)")
    assert shown.endswith(" … 12 more conditions")


def test_a_single_long_condition_is_cut_in_the_middle():
    shown = telling(f"(payload = '{'x' * 1000}'::text)", None)

    assert len(shown) < 170
    assert shown.startswith("payload = 'xxx")
    assert shown.endswith("x'")


def test_a_million_values_are_no_trouble():
    condition = f"(id = ANY ('{{{','.join(map(str, range(1_000_000)))}}}'::integer[]))"

    assert telling(condition, None) == "id = ANY (0, 1, 2, … 1,000,000 values)"


@given(st.text(alphabet="ab.'\"(){}[]:,= AND", max_size=400), st.sampled_from(["a", "b", None]))
def test_any_text_can_be_shortened(text, table):
    assert len(telling(text, table)) <= len(text) + 30
    assert len(short(text, 100)) <= 103
