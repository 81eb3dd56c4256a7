import datetime
import decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.capture.parameters import ParameterNames, number_at, offset_place

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())


class Hostile:
    """An object whose every method is a trap."""

    def __eq__(self, other):
        raise AssertionError("compared")

    def __hash__(self):
        raise AssertionError("hashed")

    def __repr__(self):
        raise AssertionError("shown")


def test_equal_values_have_equal_names_and_different_values_different_ones():
    names = ParameterNames()

    assert names.name({"id": 1}) == names.name({"id": 1}) == "p1"
    assert names.name({"id": 2}) == "p2"
    assert names.name((1,)) == names.name([1])


def test_values_that_python_calls_equal_and_sql_does_not_are_told_apart():
    names = ParameterNames()

    assert len({names.name((value,)) for value in (1, 1.0, True, decimal.Decimal(1), "1", b"1")}) == 6


def test_an_object_of_the_users_is_neither_hashed_compared_nor_shown():
    assert ParameterNames().name({"id": Hostile()}) is None
    assert ParameterNames().name([(1, Hostile())]) is None


def test_a_value_too_long_to_hash_is_unknown_and_a_generator_is_not_consumed():
    values = (value for value in (1, 2))

    assert ParameterNames().name(("x" * 100_000,)) is None
    assert ParameterNames().name(values) is None
    assert list(values) == [1, 2]


@given(st.lists(PLAIN, max_size=5))
def test_a_name_says_nothing_about_the_values(values):
    assert ParameterNames().name(values) == "p1"


def test_dates_and_lists_of_plain_values_are_compared():
    names = ParameterNames()
    today = datetime.date(2026, 1, 1)

    assert names.name({"ids": [1, 2], "on": today}) == names.name({"ids": [1, 2], "on": today})
    assert names.name({"ids": [1, 2], "on": today}) != names.name({"ids": [2, 1], "on": today})


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT id FROM posts WHERE author_id = ? LIMIT ? OFFSET ?", (7, 5, 40)),
        ("SELECT id FROM posts LIMIT %s OFFSET %s", [5, 40]),
        ("SELECT id FROM posts LIMIT %(rows)s OFFSET %(skip)s", {"skip": 40, "rows": 5}),
        ("SELECT id FROM posts OFFSET :skip", {"rows": 5, "skip": 40}),
        ("SELECT id FROM posts WHERE a = $2 OFFSET $1::BIGINT", (40, 5)),
        ("SELECT * FROM (SELECT id FROM posts LIMIT ? OFFSET ?) AS p WHERE id = ? AND a > ?", (5, 40, 1, 2)),
    ],
)
def test_the_value_of_an_offset_is_found_whichever_way_a_driver_binds_it(statement, parameters):
    assert number_at(parameters, offset_place(statement)) == 40


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT id FROM posts LIMIT ?", (5,)),
        ("SELECT id FROM posts OFFSET 5", ()),
        ("SELECT id FROM posts OFFSET ?", ("5",)),
        ("SELECT id FROM posts OFFSET :skip", {"rows": 5}),
        ("SELECT id FROM posts OFFSET ?", ()),
        ("SELECT id FROM posts OFFSET ?", None),
        ("SELECT * FROM (SELECT id FROM posts OFFSET ?) AS p OFFSET ?", (1, 2)),
    ],
)
def test_an_offset_that_is_not_there_or_not_bound_is_unknown(statement, parameters):
    place = offset_place(statement)

    assert place is None or number_at(parameters, place) is None
