"""What is known of PostgreSQL's functions."""

import pytest
from sqlalchemy import Engine

from perfkit.model.sql_functions import index_chance, is_period, period_condition


@pytest.mark.parametrize(
    ("function", "column_type", "chance"),
    [
        ("lower", "text", "yes"),
        ("lower", None, "yes"),
        ("to_char", "timestamp without time zone", "no"),
        ("date_trunc", "timestamp without time zone", "yes"),
        ("date_trunc", "timestamp(3) with time zone", "no"),
        ("date_trunc", None, "unknown"),
        ("extract", "date", "yes"),
        ("my_own", "text", "unknown"),
        ("", None, "unknown"),
    ],
)
def test_an_index_can_be_made_of_what_never_changes(function, column_type, chance):
    assert index_chance(function, column_type) == chance


@pytest.mark.parametrize(
    ("expression", "condition"),
    [
        ("date_trunc('week'::text, at)", "at >= :start AND at < :start + interval '1 week'"),
        ("EXTRACT(year FROM at)", "at >= make_date(:year, 1, 1) AND at < make_date(:year + 1, 1, 1)"),
        ("date_part('year'::text, at)", "at >= make_date(:year, 1, 1) AND at < make_date(:year + 1, 1, 1)"),
        ('("Made At")::date', '"Made At" >= :day AND "Made At" < :day + 1'),
        ("date(at)", "at >= :day AND at < :day + 1"),
        ("to_char(at, 'YYYY-MM'::text)", "at >= :start AND at < :end"),
    ],
)
def test_a_period_is_asked_by_its_two_ends(expression, condition):
    assert is_period(expression)
    assert period_condition(expression) == condition


@pytest.mark.parametrize(
    "expression",
    [
        "EXTRACT(month FROM at)",
        "to_char(at, 'MM'::text)",
        "date_trunc('day'::text, (at + '1 day'::interval))",
        "date_trunc('day'::text, at, 'UTC'::text)",
        "lower(at)",
        "(number)::integer",
        "at",
    ],
)
def test_what_comes_back_every_year_is_no_period(expression):
    assert not is_period(expression)


def test_postgresql_says_the_same_of_its_functions(plan_engine: Engine):
    with plan_engine.connect() as connection:
        functions = connection.exec_driver_sql(
            "SELECT proname, bool_or(provolatile = 'i'), bool_and(provolatile = 'i') FROM pg_proc"
            " WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' GROUP BY proname"
        ).all()

    assert [name for name, some, _ in functions if not some and index_chance(name, "text") == "yes"] == []
    assert [name for name, _, each in functions if each and index_chance(name, "date") == "no"] == []
