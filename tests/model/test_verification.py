import json
from dataclasses import replace

import pytest

from perfkit.model import builders
from perfkit.model.codec import TraceFormatError
from perfkit.model.connection import TransactionEvent
from perfkit.model.verification import (
    CounterChange,
    Equivalence,
    Outcome,
    TargetResult,
    TimingComparison,
    Verification,
    counter_changes,
    verification_from_json,
    verification_to_json,
)

FULL = Verification(
    outcome=Outcome.FASTER,
    equivalence=Equivalence(True, "same result (list, 2 items)"),
    counters=(CounterChange("statements", "", 101, 1), CounterChange("rows", "", None, 20)),
    timing=TimingComparison(Outcome.FASTER, (10.0, 11.0), (5.0, 5.5), 2, 1, 0.5, 0.4, 0.6, 0.001, "a note"),
    target=TargetResult(200.0, True, 5.25, 5.0, 5.5, "met"),
    notes=("a remark",),
)
BARE = Verification(Outcome.NOT_EQUIVALENT, Equivalence(False, "result differs (int)"))
OPEN = Verification(
    Outcome.UNRESOLVED,
    Equivalence(None, "cannot certify"),
    timing=TimingComparison(Outcome.UNRESOLVED, (), (), 0, 0),
    target=TargetResult(200.0, None, None, None, None, "cannot say"),
)


UNTIMED = Verification(Outcome.UNRESOLVED, Equivalence(True, "same"), not_timed="it writes\nsay so")


@pytest.mark.parametrize("verification", [FULL, BARE, OPEN, UNTIMED])
def test_a_verification_survives_json(verification):
    text = json.dumps(verification_to_json(verification), allow_nan=False)
    assert verification_from_json(json.loads(text)) == verification


@pytest.mark.parametrize("data", [None, [], {}, {"schema_version": 1}, {"verification": {}}])
def test_something_else_is_refused(data):
    with pytest.raises(TraceFormatError, match="not a perfkit verification"):
        verification_from_json(data)


def test_a_later_format_is_refused_with_advice():
    with pytest.raises(TraceFormatError, match="Upgrade"):
        verification_from_json(verification_to_json(FULL) | {"schema_version": 99})


@pytest.mark.parametrize(
    "damage", [{"outcome": "better"}, {"timing": 5}, {"counters": {}}, {"equivalence": {}}]
)
def test_damage_is_told(damage):
    data = verification_to_json(FULL)
    data["verification"] |= damage
    with pytest.raises(TraceFormatError, match="damaged"):
        verification_from_json(data)


def test_an_unknown_field_of_an_earlier_minor_version_is_ignored():
    data = verification_to_json(FULL)
    data["verification"]["mood"] = "good"
    assert verification_from_json(data) == FULL


def test_medians_are_of_each_side_and_unknown_without_runs():
    assert (FULL.timing.before_median_ms, FULL.timing.after_median_ms) == (10.5, 5.25)
    assert (OPEN.timing.before_median_ms, OPEN.timing.after_median_ms) == (None, None)


def changes(before, after):
    return {change.name: (change.before, change.after) for change in counter_changes(before, after)}


def test_counters_of_both_blocks_stand_side_by_side():
    before = builders.trace(builders.query(), builders.loop(100))
    after = builders.trace(builders.query(returned_rows=100))
    assert changes(before, after) == {
        "statements": (101, 1),
        "shapes": (2, 1),
        "round trips": (101, 1),
        "rows": (101, 100),
        "failed statements": (0, 0),
        "commits": (0, 0),
        "rollbacks": (0, 0),
    }


def test_commits_count_as_round_trips():
    kinds = ["begin", *["commit"] * 2, *["rollback"] * 3]
    events = tuple(TransactionEvent(kind, 0.0) for kind in kinds)
    before = replace(builders.trace(builders.query()), transactions=events)
    found = changes(before, before)
    assert (found["round trips"], found["commits"], found["rollbacks"]) == ((7, 7), (2, 2), (3, 3))


def test_rows_that_one_statement_did_not_tell_are_unknown():
    before = builders.trace(builders.query(), builders.query(returned_rows=None))
    assert changes(before, before)["rows"] == (None, None)


def test_failed_statements_are_counted():
    failed = builders.query(status="error", error_type="DataError")
    assert changes(builders.trace(failed), builders.trace())["failed statements"] == (1, 0)


def test_a_block_without_measured_queries_has_no_counters():
    assert counter_changes(builders.unmeasured(), builders.trace()) == ()
    assert counter_changes(builders.trace(), builders.unmeasured()) == ()
