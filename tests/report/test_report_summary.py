"""What the top of a report says is read back from the outputs of the notebook."""

import json

from perfkit.model import builders
from perfkit.model.codec import trace_to_json
from perfkit.model.verification import (
    CounterChange,
    Equivalence,
    Outcome,
    TargetResult,
    TimingComparison,
    Verification,
    verification_to_json,
)


def measured(trace, target_ms=None):
    return {**trace_to_json(trace), "focus": "all", "target_ms": target_ms}


def n_plus_one(count=50, source="posts = user.posts", **fields):
    site = builders.line(3, source)
    return builders.trace(builders.query("SELECT * FROM users"), builders.loop(count, site=site), **fields)


def verified(target=None, outcome=Outcome.FASTER):
    timing = TimingComparison(outcome, (100.0, 102.0), (10.0, 12.0), pairs=2, looks=1, ratio=0.1)
    counters = (CounterChange("statements", "", 101, 2),)
    return verification_to_json(Verification(outcome, Equivalence(True, "same"), counters, timing, target))


def test_findings_link_to_their_cell_and_stand_worst_first(make):
    quick = builders.trace(builders.loop(2, duration_ms=0.001), duration_ms=1000.0)
    page, summary = make.export(
        make.code("a", make.ours("trace", measured(quick))),
        make.code("b", make.ours("trace", measured(n_plus_one(source="rows = user.comments"))), count=2),
    )

    assert [problem.severity for problem in summary.problems] == ["fix now", "worth it"]
    assert page.select_one(".findings a")["href"] == "#cell-2"
    assert page.find(id="cell-2")


def test_one_line_measured_twice_is_one_finding_with_two_cells(make):
    page, summary = make.export(
        make.code("a", make.ours("trace", measured(n_plus_one(20)))),
        make.code("b", make.ours("trace", measured(n_plus_one(90))), count=2),
    )

    (problem,) = summary.problems
    assert [cell.label for cell in problem.cells] == ["cell 1", "cell 2"]
    assert "90 statements" in problem.message
    assert [link.get_text() for link in page.select(".findings a")] == ["cell 1", "cell 2"]


def test_two_lines_with_the_same_fault_are_two_findings(make):
    _, summary = make.export(
        make.code("a", make.ours("trace", measured(n_plus_one(source="x = user.posts")))),
        make.code("b", make.ours("trace", measured(n_plus_one(source="y = user.posts")))),
    )

    assert len(summary.problems) == 2


def test_a_clean_block_reports_no_finding(make):
    page, summary = make.export(
        make.code("a", make.ours("trace", measured(builders.trace(builders.query()))))
    )

    assert summary.problems == ()
    assert not page.select(".findings")


def test_a_verification_shows_before_after_and_target(make):
    target = TargetResult(200.0, True, 11.0, None, None, "met")

    page, summary = make.export(make.code("%verify a b", make.ours("verification", verified(target))))

    (proof,) = summary.proofs
    assert (proof.before_ms, proof.after_ms, proof.statements) == (101.0, 11.0, (101, 2))
    assert summary.targets_met == 1
    words = page.find(id="pk-proofs").find_next("table").get_text(" ", strip=True)
    assert "faster 10× as fast 101 ms 11 ms 101 → 2 200 ms met cell 1" in words


def test_a_verification_has_the_last_word_on_a_target(make):
    slow = n_plus_one(duration_ms=900.0, name="users page")
    target = TargetResult(200.0, True, 11.0, None, None, "met")

    _, summary = make.export(
        make.code("a", make.ours("trace", measured(slow, target_ms=200.0))),
        make.code("b", make.ours("verification", verified(target)), count=2),
    )

    assert [(t.name, t.met) for t in summary.targets] == [("verified fix", True)]


def test_a_target_that_was_only_measured_stands_as_it_is(make):
    slow = n_plus_one(duration_ms=900.0, name="users page")

    _, summary = make.export(make.code("a", make.ours("trace", measured(slow, target_ms=200.0))))

    assert [(t.name, t.measured_ms, t.met) for t in summary.targets] == [("users page", 900.0, False)]


def test_a_block_that_failed_met_no_target(make):
    failed = builders.trace(builders.query(), duration_ms=1.0, error="ValueError")

    _, summary = make.export(make.code("a", make.ours("trace", measured(failed, target_ms=200.0))))

    assert [target.met for target in summary.targets] == [False]


def test_an_undecided_target_is_neither_met_nor_missed(make):
    target = TargetResult(200.0, None, 199.0, None, None, "too few runs")

    page, summary = make.export(make.code("a", make.ours("verification", verified(target))))

    assert summary.targets_met == 0
    assert "undecided" in page.find(id="pk-targets").find_next("table").get_text()


def test_the_last_check_of_an_exercise_counts(make):
    question = {"question": "Fix it", "status": "not yet"}

    _, summary = make.export(
        make.code("a", make.ours("exercise", question)),
        make.code("b", make.ours("exercise", {**question, "status": "correct"}), count=2),
    )

    assert [(e.question, e.status, e.cell.label) for e in summary.exercises] == [
        ("Fix it", "correct", "cell 2")
    ]


def test_an_untagged_error_is_a_failure_with_a_link(make):
    page, summary = make.export(
        make.code("ok"), make.code("bad", make.raised("OperationalError", "server gone\nhint"), count=2)
    )

    assert summary.failure.headline == "FAILED at cell 2: OperationalError: server gone"
    assert summary.status == "failed"
    assert page.title.get_text().startswith("FAILED: ")
    assert page.select_one(".alarm a")["href"] == "#cell-2"
    assert page.select_one("section.failed")["id"] == "cell-2"


def test_an_error_that_is_meant_is_no_failure(make):
    page, summary = make.export(make.code("bad", make.raised(), tags=["raises-exception"]))

    assert summary.status == "complete"
    assert not page.select(".alarm, .failed")


def test_a_notebook_without_outputs_says_that_it_was_not_run(make):
    _, summary = make.export(make.code("a", count=None), make.code("b", count=None))

    assert (summary.status, summary.executed_cells, summary.code_cells) == ("not run", 0, 2)


def test_a_measurement_of_a_later_perfkit_is_named_and_left_out(make):
    page, summary = make.export(make.code("a", make.ours("trace", {"schema_version": 99, "trace": {}})))

    assert summary.problems == ()
    assert "cell 1" in summary.notes[0]
    assert "Upgrade perfkit" in page.select_one(".masthead").get_text()


def test_times_come_from_jupyter_where_we_did_not_run_it(make):
    cell = make.code("a")
    cell.metadata["execution"] = {"iopub.execute_input": "2026-03-01T10:00:00.000000Z"}

    page, _ = make.export(cell, language_info={"name": "python", "version": "3.12.1"})

    assert page.select_one(".facts").get_text(" ", strip=True) == "1 March 2026, 10:00 UTC Python 3.12.1"


def test_the_page_carries_its_digest_for_the_index(make):
    page, _ = make.export(make.text("# T"), make.code("a", make.ours("trace", measured(n_plus_one()))))

    digest = json.loads(page.find(id="perfkit-summary").string)

    assert (digest["title"], digest["status"], digest["findings"]) == ("T", "complete", [["fix now", 1]])
