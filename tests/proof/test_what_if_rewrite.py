"""A rewritten statement is compared before it is measured."""

import pytest

from perfkit.capture.plans import ExplainError
from perfkit.model.what_if import ProofVerdict
from perfkit.proof import _what_if_rewrite
from perfkit.session import explain

pytest_plugins = ["what_if_server"]

# The orders are read for each customer; once is enough.
SLOW = (
    "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS orders FROM customers c "
    "WHERE c.id BETWEEN :first AND :last ORDER BY c.id"
)
FAST = (
    "SELECT c.id, count(o.id) AS orders FROM customers c LEFT JOIN orders o ON o.customer_id = c.id "
    "WHERE c.id BETWEEN :first AND :last GROUP BY c.id ORDER BY c.id"
)
VALUES = {"first": 7, "last": 20}


def rewritten(engine, other, sql=SLOW, parameters=None, **options):
    proof = explain(engine, sql, parameters, prove=True, rewrite=other, confirm=True, **options).proofs[0]
    return proof, next(item for item in proof.attempts if item.kind == "rewrite")


def test_a_statement_for_the_same_result_is_measured_beside_the_indexes(proof_engine):
    proof, item = rewritten(proof_engine, FAST, parameters=VALUES)

    assert item.verdict is ProofVerdict.PROVED
    assert item.statement == FAST
    assert item.runs.median_blocks < proof.base.median_blocks
    assert any(other.kind == "index" and other.runs for other in proof.attempts)


def test_it_needs_no_consent_because_it_changes_nothing(proof_engine):
    result = explain(proof_engine, SLOW, VALUES, prove=True, rewrite=FAST)
    (proof,) = result.proofs

    assert "not perfkit's lab" in proof.refusal
    assert proof.best.kind == "rewrite"
    assert [item.kind for item in proof.attempts] == ["rewrite"]
    for shown in (str(result), result._repr_mimebundle_()["text/html"]):
        assert "with the rewritten statement" in shown
        assert "not perfkit" in shown


ORDERED = "SELECT id, amount FROM orders WHERE customer_id = 7 ORDER BY id"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("SELECT id, amount FROM orders WHERE customer_id = 7 LIMIT 3", "3 rows instead of 100"),
        ("SELECT id, amount FROM orders WHERE customer_id = 8", "Not the same result: "),
        ("SELECT id, amount AS a FROM orders WHERE customer_id = 7", "the columns have other names"),
        (
            "SELECT id, amount::bigint AS amount FROM orders WHERE customer_id = 7 ORDER BY id DESC",
            "any order",
        ),
        ("SELECT id, amount::numeric AS amount FROM orders WHERE customer_id = 7 ORDER BY id", "int"),
        ("DELETE FROM orders WHERE customer_id = 7 RETURNING id, amount", "was not executed"),
        ("SELECT id FROM nowhere", "nowhere"),
        ("SELECT 1; SELECT 2", "several statements"),
        ("", "empty"),
    ],
)
def test_what_returns_something_else_is_refused_with_the_reason(proof_engine, other, reason):
    _, item = rewritten(proof_engine, other, ORDERED)

    assert item.verdict is ProofVerdict.REJECTED
    assert reason in item.reason
    assert item.runs is None


def test_without_order_by_rows_may_come_in_any_order(proof_engine):
    unordered = ORDERED.removesuffix(" ORDER BY id")
    _, item = rewritten(proof_engine, f"{unordered} ORDER BY id DESC", unordered)

    assert item.runs is not None


def test_too_many_rows_are_not_compared(proof_engine, monkeypatch):
    monkeypatch.setattr(_what_if_rewrite, "MAX_ROWS", 10)
    _, item = rewritten(proof_engine, ORDERED, ORDERED)

    assert "too many to compare" in item.reason


def test_the_same_statement_is_no_faster(proof_engine):
    _, item = rewritten(proof_engine, ORDERED, ORDERED)

    assert item.verdict is not ProofVerdict.PROVED


def test_without_prove_a_rewrite_is_a_mistake(proof_engine):
    with pytest.raises(ValueError, match="prove=True"):
        explain(proof_engine, ORDERED, rewrite=ORDERED)


def test_a_mistake_in_the_statement_itself_is_said_as_ever(proof_engine):
    with pytest.raises(ExplainError, match="nowhere"):
        explain(proof_engine, "SELECT * FROM nowhere", prove=True, rewrite=ORDERED)
