"""Which statement of one block is which of another."""

from dataclasses import replace

from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_match import match_statements

A, B, C, D = (plan(node("Seq Scan"), query_text=f"SELECT {letter}", fingerprint=letter) for letter in "abcd")


def test_statements_of_one_shape_belong_together_in_the_order_of_the_later_block():
    assert match_statements([A, B], [B, A]) == ((B, B), (A, A))


def test_what_is_new_and_what_has_gone_stands_alone():
    assert match_statements([A, B, C], [A, D]) == ((A, A), (None, D), (B, None), (C, None))


def test_where_one_is_left_on_each_side_the_one_became_the_other():
    assert match_statements([A, B], [A, C]) == ((A, A), (B, C))
    assert match_statements([A], [B]) == ((A, B),)


def test_without_a_fingerprint_the_text_decides():
    one, two = replace(A, fingerprint=None), replace(B, fingerprint=None)

    assert match_statements([one, two], [two, one]) == ((two, two), (one, one))


def test_statements_of_one_shape_are_taken_in_order_each_once():
    first, second = replace(A, executions=1), replace(A, executions=2)

    assert match_statements([first, second], [A, A, A]) == ((first, A), (second, A), (None, A))


def test_no_plan_matches_nothing():
    assert match_statements([], []) == ()
    assert match_statements([A], []) == ((A, None),)
