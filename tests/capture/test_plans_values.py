"""Values that were bound stay out of a plan; names, types and the statement's own constants stay in."""

import pytest

from perfkit.capture.databases.literals import hide_values


def shown(condition: str, statement: str = "SELECT 1") -> str:
    return hide_values([{"Plan": {"Filter": condition}}], statement)[0]["Plan"]["Filter"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(email = 'ann@example.org'::text)", "(email = ?::text)"),
        ("(name = 'O''Neill'::text)", "(name = ?::text)"),
        ("(note = E'a\\\\b'::text)", "(note = ?::text)"),
        ("(id = ANY ('{11,12}'::integer[]))", "(id = ANY (?::integer[]))"),
        ("((price1e * 2.5e3) > 17)", "((price1e * ?) > ?)"),
        ("(amount > '-5'::integer)", "(amount > ?::integer)"),
        ('("col 42" = 42)', '("col 42" = ?)'),
        ("(x.col1 = (InitPlan 1).col1)", "(x.col1 = (InitPlan 1).col1)"),
        ("(ANY (a = (hashed SubPlan 2).col1))", "(ANY (a = (hashed SubPlan 2).col1))"),
        ("(a = $1)", "(a = $1)"),
        ("((a)::character varying(20) = 'x'::bpchar)", "((a)::character varying(20) = ?::bpchar)"),
        ("((a)::numeric(10,2) = 10.2)", "((a)::numeric(10,2) = ?)"),
    ],
)
def test_values_become_a_question_mark(condition, expected):
    assert shown(condition) == expected


def test_a_constant_of_the_statement_stays():
    statement = "SELECT * FROM orders WHERE status = 'paid' AND amount > 100 AND user_id = %s"
    condition = "((status = 'paid'::text) AND (amount > 100) AND (user_id = 4711))"
    assert shown(condition, statement) == condition.replace("4711", "?")


def test_names_and_settings_stay_as_they_are():
    node = {
        "Node Type": "Seq Scan",
        "Relation Name": "orders 2025",
        "Index Name": "i'1'",
        "Sort Key": ["a + 7"],
    }
    hidden = hide_values([{"Plan": node, "Settings": {"work_mem": "5MB"}}], "")[0]
    assert hidden["Plan"] == {**node, "Sort Key": ["a + ?"]}
    assert hidden["Settings"] == {"work_mem": "5MB"}


def test_numbers_that_the_database_measured_stay():
    assert hide_values([{"Plan": {"Actual Rows": 42, "Workers": [{"Worker Number": 1}]}}], "") == [
        {"Plan": {"Actual Rows": 42, "Workers": [{"Worker Number": 1}]}}
    ]
