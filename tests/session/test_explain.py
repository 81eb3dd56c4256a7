"""`explain` from Python: what may be given as the database."""

import pytest
from sqlalchemy import create_engine

from perfkit.capture.plans import ExplainError
from perfkit.session import explain, explain_script, shop_engine

ENGINE = create_engine("sqlite://")
SHOP = type("Shop", (), {"__module__": "perfkit.lab.shop", "engine": property(lambda self: ENGINE)})


def test_a_shop_of_the_lab_is_explained_on_its_engine():
    assert explain(SHOP(), "SELECT 1").plan.system_name == "sqlite"
    assert len(explain_script(SHOP(), "SELECT 1; SELECT 2", {}).trace.plans) == 2


def test_an_object_of_the_person_is_not_touched():
    touched = type("Mine", (), {"engine": property(lambda self: 1 / 0)})()
    assert shop_engine(touched) is None
    with pytest.raises(ExplainError, match="Give a SQLAlchemy Engine, AsyncEngine or Connection, not Mine"):
        explain(touched, "SELECT 1")


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT 1 WHERE 1 = :u", ":u has no value: give parameters={'u': …}."),
        ("SELECT :low, :high, :low", ":low, :high have no value: give parameters={'low': …, 'high': …}."),
        ("SELECT :low, :high", ":low, :high have no value: give parameters={'low': …, 'high': …}."),
    ],
)
def test_a_parameter_without_a_value_is_named(sql, told):
    with pytest.raises(ExplainError) as refused:
        explain(ENGINE, sql)
    assert str(refused.value) == told


def test_one_of_two_parameters_without_a_value_is_named():
    with pytest.raises(ExplainError, match="'high'"):
        explain(ENGINE, "SELECT :low, :high", {"low": 1})


@pytest.mark.parametrize(
    ("sql", "parameters", "told"),
    [
        ("SELECT ?", None, "Incorrect number of bindings supplied"),
        ("SELECT ?, ?", (1,), "Incorrect number of bindings supplied"),
        ("SELECT :u FROM nosuch", None, "no such table: nosuch"),
    ],
)
def test_other_mistakes_are_told_as_the_database_tells_them(sql, parameters, told):
    with pytest.raises(ExplainError, match=told):
        explain(ENGINE, sql, parameters)


def test_a_colon_that_begins_no_name_needs_no_value():
    assert explain(ENGINE, 'SELECT \'12:30\', "a:b" FROM (SELECT 1 AS "a:b")').plan is not None
