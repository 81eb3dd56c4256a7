"""What three runs with a change and three without say."""

import pytest

from perfkit.model.catalog import Column, Table
from perfkit.model.plan_builders import node, plan
from perfkit.model.what_if import ProofVerdict, Runs
from perfkit.proof._what_if_designs import Design, Key, index_design
from perfkit.proof._what_if_trial import Outcome
from perfkit.proof._what_if_verdict import judged, ranked

SCAN = node("Seq Scan", ms=90, rows=15, planned=1, relation_name="orders")
COLUMNS = (Column("id", "int", 4), Column("user_id", "int", 4), Column("note", "text", 65))
TABLE = Table("orders", 1e6, 10**8, "r", False, COLUMNS, ())
BASE = Runs((90.0, 94.0, 97.0), (1000, 1000, 1000))
MEMORY = Design("setting", "work_mem = 64 MB", (), "", SCAN, (0,), "")


def judge_index(times, blocks=10, *, used=True, must_wait=False):
    design = index_design(SCAN, TABLE, (Key("user_id"),), equal=1, nodes=(0,))
    name = design.name if used else "another"
    outcome = Outcome(
        Runs(times, (blocks,) * 3),
        plan(node("Index Scan", ms=1, index_name=name, relation_name="orders")),
        400.0,
        9_000_000,
        must_wait,
    )
    return judged(design, BASE, outcome)


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (judge_index((0.3, 0.3, 0.4)), ProofVerdict.PROVED),
        (judge_index((80.0, 82.0, 89.0)), ProofVerdict.PROVED),
        (judge_index((50.0, 60.0, 95.0)), ProofVerdict.INCONCLUSIVE),
        (judge_index((88.0, 88.5, 89.0)), ProofVerdict.NO_HELP),
        (judge_index((120.0, 120.0, 120.0)), ProofVerdict.NO_HELP),
        (judge_index((40.0, 40.0, 40.0), blocks=200_000), ProofVerdict.INCONCLUSIVE),
        (judge_index((40.0, 40.0, 40.0), blocks=1_900), ProofVerdict.PROVED),
        (judge_index((0.3, 0.3, 0.3), used=False), ProofVerdict.NO_HELP),
        (judge_index((94.0, 94.0, 94.0), used=False, must_wait=True), ProofVerdict.INCONCLUSIVE),
        (judge_index((0.3, 0.3, 0.3), used=True, must_wait=True), ProofVerdict.PROVED),
    ],
    ids=str,
)
def test_a_tenth_faster_in_every_run_is_proved(attempt, verdict):
    assert attempt.verdict is verdict


def test_a_statement_that_is_fast_anyway_proves_nothing():
    design = index_design(SCAN, TABLE, (Key("user_id"),), equal=1, nodes=(0,))
    used = plan(node("Index Scan", ms=0.01, index_name=design.name, relation_name="orders"))

    attempt = judged(design, Runs((0.09,) * 3, (30,) * 3), Outcome(Runs((0.01,) * 3, (3,) * 3), used))

    assert attempt.verdict is ProofVerdict.INCONCLUSIVE
    assert "so little data" in attempt.reason


def test_the_cost_of_writing_is_the_share_of_a_row_that_an_entry_is():
    assert judge_index((1.0, 1.0, 1.0)).write_share == pytest.approx((8 + 4) / (27 + 73))


def test_statistics_say_what_is_expected_now():
    design = Design("statistics", "fresh statistics of orders", (), "ANALYZE orders;", SCAN, (0,), "orders")
    now = plan(node("Seq Scan", ms=90, rows=15, planned=14, relation_name="orders"))

    attempt = judged(design, BASE, Outcome(BASE, now))

    assert attempt.verdict is ProofVerdict.NO_HELP
    assert attempt.reason.startswith("14 rows are expected instead of 1; 15 came.")


def test_the_fastest_is_best_and_equal_times_are_decided_by_blocks_then_size():
    fast, same_time, slower = (
        judge_index((0.3,) * 3, 12),
        judge_index((0.31,) * 3, 9),
        judge_index((2.0,) * 3, 5),
    )
    useless, memory = judge_index((95.0,) * 3), judged(MEMORY, BASE, Outcome(BASE, plan(SCAN)))

    assert ranked([useless, memory, slower, fast, same_time])[:3] == (same_time, fast, slower)
