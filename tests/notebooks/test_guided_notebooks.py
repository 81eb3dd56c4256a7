"""Each guided notebook runs from top to bottom: as shipped, solved, and answered wrongly.

Asserted are counts, shapes of plans, results and ratios. Milliseconds are the machine's.
"""

import re

import pytest
from guided import (
    NAMES,
    answered,
    printed,
    read,
    run,
    said,
    solutions,
    statuses,
    trace,
    verification,
)

from perfkit.model.verification import Outcome
from perfkit.rules import diagnose

pytestmark = pytest.mark.xdist_group("guided notebooks")

WRONG = {
    "00_start_here": {"guess": "guess = 25"},
    "01_too_many_queries": {
        "predict": "guess = 1",
        "fix": "my_users_page = services.get_users_with_posts",
    },
    "02_missing_index": {
        "predict": "guess = 239",
        "fix": "my_index = 'CREATE INDEX wrong ON orders (created_at)'",
        "order": "order_matters = True",
    },
}
REASONS = {
    "00_start_here": {"guess-check": "something had to load the posts"},
    "01_too_many_queries": {
        "predict-check": "nobody saw it in review",
        "fix": "it still sends 101 statements, and the budget is 2",
    },
    "02_missing_index": {
        "predict-check": "it looked at",
        "fix": "does not use it",
        "order-check": "blocks with the one order",
    },
}


@pytest.fixture(scope="module")
def shipped(lab_home):
    """Each notebook as it is in git, run once."""
    done = {}

    def get(name):
        if name not in done:
            done[name] = run(read(name), name, lab_home)
        return done[name]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_notebook_runs_with_its_exercises_untouched(shipped, name):
    assert statuses(shipped(name)) == dict.fromkeys(REASONS[name], "not attempted")


@pytest.mark.parametrize("name", NAMES)
def test_the_folded_solutions_are_correct(lab_home, name):
    notebook = read(name)

    solved = run(answered(notebook, solutions(notebook)), name, lab_home)

    assert statuses(solved) == dict.fromkeys(REASONS[name], "correct")


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_answer_is_told_why_and_stops_nothing(lab_home, name):
    answers = WRONG[name]
    assert set(answers) == set(solutions(read(name)))

    done = run(answered(read(name), answers), name, lab_home)

    assert statuses(done) == dict.fromkeys(REASONS[name], "not yet")
    assert {
        cell_id: reason for cell_id, reason in REASONS[name].items() if reason not in said(done, cell_id)
    } == {}


def test_the_first_notebook_shows_an_n_plus_one_and_its_absence(shipped):
    done = shipped("00_start_here")

    assert len(trace(done, "querycount").queries) == 11
    assert [finding.code for finding in diagnose(trace(done, "querycount")).findings] == ["PK101"]
    assert len(trace(done, "batched").queries) == 2
    assert diagnose(trace(done, "batched")).findings == ()


def test_too_many_queries_are_counted_found_and_gone(shipped):
    done = shipped("01_too_many_queries")

    before = trace(done, "querycount")
    assert len(before.queries) == 101
    assert [finding.code for finding in diagnose(before).findings] == ["PK101"]
    assert len(trace(done, "target-met").queries) == 2
    assert [count for count in (101, 2, 1) if f" {count} " not in said(done, "table")] == []


def test_the_profile_of_the_users_page_has_a_hundred_calls(shipped):
    functions = trace(shipped("01_too_many_queries"), "profile").cpu.functions

    assert [f.ncalls for f in functions if f.location.function_name.endswith("user_card")] == [100]


@pytest.mark.parametrize("name", ["01_too_many_queries", "02_missing_index"])
def test_two_suspects_are_ruled_out_and_one_is_it(shipped, name):
    ledger = said(shipped(name), "ledger").splitlines()

    assert ["this is it" in line for line in ledger[-3:]] == [False, False, True]
    assert "\n".join(ledger).count("ruled out") == 2


def test_the_mended_page_is_proved_equal_and_faster(shipped):
    proof = verification(shipped("01_too_many_queries"), "verify")

    assert proof.outcome is Outcome.FASTER
    assert proof.equivalence.equal
    assert proof.timing.ratio < 1 / 2
    assert [(change.before, change.after) for change in proof.counters if change.name == "statements"] == [
        (101, 2)
    ]


def test_await_changes_nothing_about_the_count(shipped):
    assert len(trace(shipped("01_too_many_queries"), "await").queries) == 101 + 2


def test_the_budget_test_fails_on_the_old_page_only(shipped):
    text = printed(shipped("01_too_many_queries"), "prevent")

    assert "101 <= 2 statements" in text
    assert "user_card" in text
    assert "1 failed" in text
    assert "1 passed" in text


def test_the_lookup_reads_the_whole_table_and_then_only_what_it_returns(shipped):
    done = shipped("02_missing_index")
    before, after = (trace(done, cell).plans[0] for cell in ("explain", "apply"))

    assert [finding.code for finding in diagnose(trace(done, "explain")).findings] == ["PK201"]
    assert [node.relation_name for node in before.nodes() if "Seq Scan" in node.node_type] == ["orders"]
    assert [node.node_type for node in after.nodes() if "Seq Scan" in node.node_type] == []
    assert before.root.total_rows == after.root.total_rows > 10
    assert sum(node.total_rows_removed or 0 for node in after.nodes()) == 0
    assert after.root.buffers.shared * 2 < before.root.buffers.shared


def test_the_index_is_proved_to_change_no_result(shipped):
    proof = verification(shipped("02_missing_index"), "verify")

    assert proof.equivalence.equal
    assert proof.outcome is Outcome.FASTER
    assert proof.timing.ratio < 1 / 2


def test_the_index_test_fails_without_the_index_and_passes_with_it(shipped):
    dropped, made = printed(shipped("02_missing_index"), "prevent").split("After CREATE")

    assert "1 failed" in dropped
    assert "1 passed" in made


def test_the_index_costs_one_log_record_more_for_each_row(shipped):
    table = said(shipped("02_missing_index"), "cost")
    insert, insert_indexed, update, update_indexed = map(float, re.findall(r"(?:no|yes) +(\d\.\d)", table))

    assert insert_indexed - insert == pytest.approx(1, abs=0.15)
    assert update_indexed - update == pytest.approx(1, abs=0.15)
