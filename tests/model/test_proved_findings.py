"""A finding about a plan says what trying its fix has shown."""

from dataclasses import replace

from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.what_if import Attempt, Proof, ProofVerdict, Runs
from perfkit.rules import diagnose

SCAN = node(
    "Seq Scan", ms=94, rows=15, relation_name="orders", rows_removed_by_filter=999_985,
    Filter="(orders.user_id = 42)",
)  # fmt: skip
BASE, FAST = Runs((93.0, 94.0, 95.0), (9000,) * 3), Runs((0.3, 0.3, 0.4), (18,) * 3)
CREATE = "CREATE INDEX CONCURRENTLY ON orders (user_id);"


def attempt(verdict, runs=FAST, *, nodes=(0,), reason=""):
    return Attempt("index", "orders (user_id)", CREATE, verdict, reason, "orders", nodes, runs)


def finding(*attempts, base=BASE, plan=0):
    proof = Proof(plan, base, attempts)
    (found,) = diagnose(replace(planned_trace(SCAN), proofs=(proof,))).findings
    return found


def test_what_was_proved_is_the_advice_and_its_saving_is_what_was_measured():
    found = finding(attempt(ProofVerdict.PROVED))

    assert found.advice.startswith("Proved: 94 ms → 0.30 ms")
    assert found.advice.endswith(CREATE)
    assert found.saving_ms == BASE.median_ms - FAST.median_ms
    assert found.confidence > 0.9


def test_what_was_tried_without_success_is_no_advice_any_more():
    found = finding(
        attempt(ProofVerdict.NO_HELP, BASE), attempt(ProofVerdict.REJECTED, None, reason="by_user exists.")
    )

    assert found.severity == "info"
    assert "CREATE INDEX" not in found.advice
    assert found.advice.endswith("by_user exists.")
    assert found.saving_ms is None


def test_what_came_to_no_end_changes_nothing():
    (suggested,) = diagnose(planned_trace(SCAN)).findings

    assert finding(attempt(ProofVerdict.INCONCLUSIVE)) == suggested
    assert finding(attempt(ProofVerdict.REJECTED, None)) == suggested
    assert finding(attempt(ProofVerdict.PROVED, nodes=(3,))) == suggested
    assert finding(attempt(ProofVerdict.PROVED), plan=1) == suggested
    assert finding(attempt(ProofVerdict.PROVED), base=None) == suggested
