"""Statements as the views show them."""

import html
import re

import pytest

from perfkit.views._sql import sql_html


def text_of(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", str(markup)))


def test_keywords_and_values_are_marked_and_nothing_is_lost():
    sql = "SELECT name FROM users WHERE id = 42 AND city = 'Rome'"
    markup = sql_html(sql).markup

    assert text_of(markup) == sql
    assert '<span style="font-weight:600">SELECT</span>' in markup
    assert '<span style="font-style:italic">42</span>' in markup
    assert "title=" not in markup


@pytest.mark.parametrize("value", ["17", "'it''s'", "?", "%s", "$3", ":name", "%(name)s", "-2.5"])
def test_of_a_long_list_the_first_values_are_shown_and_the_whole_is_the_tooltip(value):
    sql = f"SELECT 1 FROM t WHERE a IN ({', '.join([value] * 1000)}) AND b = 2"
    markup = sql_html(sql).markup

    assert (
        text_of(markup) == f"SELECT 1 FROM t WHERE a IN ({value}, {value}, {value}, … 1,000 values) AND b = 2"
    )
    assert html.unescape(markup).count("title=") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT f(1, 2, 3, 4, 5, 6, 7, 8)",
        "SELECT f(a, b, c, d, e, f, g, h, i, j, k, l)",
        "INSERT INTO t (a, b) VALUES (1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)",
        "SELECT '(1,2,3,4,5,6,7,8,9' FROM t",
    ],
)
def test_what_is_no_long_list_stays(sql):
    assert text_of(sql_html(sql)) == sql


def test_a_long_statement_is_cut_in_the_middle():
    sql = "SELECT " + ", ".join(f"column_{number}" for number in range(200)) + " FROM t ORDER BY 1"
    shown = text_of(sql_html(sql))

    assert len(shown) < 410
    assert shown.startswith("SELECT column_0, ")
    assert shown.endswith(" FROM t ORDER BY 1")
