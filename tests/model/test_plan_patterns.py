"""How the patterns of LIKE and of regular expressions begin."""

import pytest

from perfkit.model.plan_patterns import longest_run, pattern_start
from perfkit.model.plan_predicates import Predicate, read_predicates


def one(comparison: str) -> Predicate:
    (found,) = read_predicates(f"((t.name)::text {comparison})", ("t",))
    return found


@pytest.mark.parametrize(
    ("comparison", "start"),
    [
        ("~~ 'ann%'::text", "letters"),
        ("~~ '%ann'::text", "wildcard"),
        ("~~ '_nn'::text", "wildcard"),
        ("~~ ''::text", "wildcard"),
        ("~~ ?::text", "unknown"),
        ("~~* 'ann%'::text", "wildcard"),
        ("~ '^ann'::text", "letters"),
        ("~ '^(?:ann.*)$'::text", "letters"),
        ("~ 'ann'::text", "wildcard"),
        # The first letter may be missing, or is one of several.
        ("~ '^a*nn'::text", "wildcard"),
        ("~ '^a?nn'::text", "wildcard"),
        ("~ '^ann|bob'::text", "wildcard"),
        ("~ '^[ab]nn'::text", "wildcard"),
        ("~ '^.nn'::text", "wildcard"),
        ("~ ?::text", "unknown"),
    ],
)
def test_a_pattern_begins_with_letters_or_with_anything(comparison, start):
    assert pattern_start(one(comparison)) == start


@pytest.mark.parametrize(
    ("condition", "start"),
    [
        ("name LIKE :part || '%'", "letters"),
        ("t.name LIKE %(name_1)s::VARCHAR || '%%'", "letters"),
        ("t.name LIKE '%%' || %(name_1)s || '%%' ESCAPE '/'", "wildcard"),
        ("(name LIKE ('%' || $1))", "wildcard"),
        ("lower(name) LIKE 'x' || :part", "letters"),
        ("name LIKE :pattern", "unknown"),
        ("name LIKE :a || '%' OR name LIKE '%' || :b", "unknown"),
        ("title LIKE '%' || :part", "unknown"),
        ("name LIKE", "unknown"),
    ],
)
def test_the_statement_tells_where_the_plan_hides_the_pattern(condition, start):
    assert pattern_start(one("~~ ?::text"), f"SELECT * FROM t WHERE {condition}") == start


@pytest.mark.parametrize(
    ("comparison", "letters"),
    [
        ("~~ '%lamp%'::text", 4),
        ("~~ '%a_b%'::text", 1),
        ("~~ '%'::text", 0),
        ("~ 'x[abcd]yz'::text", 2),
        ("~ '\\d{1000}'::text", 0),
        ("~* '(lamp|light)$'::text", 5),
        ("~~ ?::text", None),
    ],
)
def test_the_letters_in_a_row_are_counted(comparison, letters):
    assert longest_run(one(comparison)) == letters
