"""What every reader of SQL asks of a tree."""

import pytest

from perfkit.model.plan_builders import node
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.sql_tree import conjuncts, parsed, tables_by_alias


def shown(text):
    return [part.sql("postgres") for part in conjuncts(parsed(text))]


def test_conditions_that_and_joins_come_apart_through_all_parentheses():
    assert shown("((a = 1) AND ((b = 2) AND (c = 3 OR d = 4)))") == ["a = 1", "b = 2", "c = 3 OR d = 4"]


def test_a_single_condition_is_the_only_one():
    assert shown("(a = 1)") == ["a = 1"]


def test_a_filter_of_a_thousand_conditions_is_taken_apart():
    text = " AND ".join("(a = 1)" for _ in range(1_500))

    assert len(filter_arms(node("Seq Scan", Filter=f"({text})"))) == 1_500


@pytest.mark.parametrize("text", ["", "SELECT (", "a = 1 -- " + "x" * 20_000])
def test_what_cannot_be_read_or_is_too_long_has_no_tree(text):
    assert parsed(text) is None


def test_an_alias_of_two_tables_tells_nothing():
    text = "SELECT 1 FROM authors a WHERE EXISTS (SELECT 1 FROM books b) OR EXISTS (SELECT 1 FROM shelves b)"

    assert tables_by_alias(text, "sqlite") == {"a": "authors"}
