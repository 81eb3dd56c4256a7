import datetime
import decimal

from hypothesis import given
from hypothesis import strategies as st

from perfkit.capture.parameters import ParameterNames

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
