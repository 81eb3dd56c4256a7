"""OR in the condition of a join."""

import pytest

from perfkit.model.plan_builders import node
from perfkit.model.plan_disjunctions import disjunctions


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (
            "((c.email = 'a'::text) OR (o.note = 'b OR c'::text))",
            [(("(c.email = 'a'::text)", "(o.note = 'b OR c'::text)"), ("c", "o"))],
        ),
        (
            "((c.x = o.x) AND ((c.a = 1) OR ((o.b = 2) AND (c.d = 3))))",
            [(("(c.a = 1)", "((o.b = 2) AND (c.d = 3))"), ("c", "o"))],
        ),
        ("((o.a = 1) OR (o.b = 2))", [(("(o.a = 1)", "(o.b = 2)"), ("o",))]),
        ("(o.at < c.at)", []),
        ("<unparsable>", []),
    ],
)
def test_each_side_is_whole_and_names_its_tables(condition, found):
    join = node("Hash Join", Join_Filter=condition)

    assert [(item.arms, item.tables) for item in disjunctions(join, "Join Filter")] == found


def test_a_join_without_a_condition_has_none():
    assert disjunctions(node("Nested Loop"), "Join Filter") == ()
