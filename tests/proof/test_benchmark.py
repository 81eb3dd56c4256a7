import asyncio
import gc
import random
from collections import Counter

import pytest
from simulated import NOISES, Machine, autocorrelated, lognormal, spikes

from perfkit.model.verification import Outcome
from perfkit.proof.benchmark import WARM_UPS, compare_timings, compare_timings_async
from perfkit.proof.target import judge_target

TRIALS = 200
pytestmark = pytest.mark.usefixtures("quick_collections")


def outcomes(noise, before_s, after_s):
    return Counter(Machine(noise, seed).compare(before_s, after_s).outcome for seed in range(TRIALS))


@pytest.mark.parametrize("noise", NOISES)
def test_identical_code_is_never_faster_or_slower(noise):
    found = outcomes(noise, 0.01, 0.01)
    assert found[Outcome.FASTER] == found[Outcome.SLOWER] == 0


@pytest.mark.parametrize("noise", NOISES)
def test_a_gain_of_three_percent_is_not_called_faster(noise):
    assert outcomes(noise, 0.01, 0.0097)[Outcome.FASTER] == 0


@pytest.mark.parametrize("noise", NOISES)
def test_a_gain_of_twenty_percent_is_found(noise):
    assert outcomes(noise, 0.01, 0.008)[Outcome.FASTER] >= 0.95 * TRIALS


@pytest.mark.parametrize("noise", NOISES)
def test_a_loss_of_twenty_five_percent_is_found(noise):
    assert outcomes(noise, 0.01, 0.0125)[Outcome.SLOWER] >= 0.95 * TRIALS


def test_steady_identical_code_is_called_the_same():
    assert outcomes(lognormal, 0.01, 0.01)[Outcome.SAME] > TRIALS / 2


def test_a_clear_gain_ends_at_the_first_look():
    timing = Machine(lognormal, 1).compare(0.01, 0.005)
    assert (timing.outcome, timing.pairs, timing.looks) == (Outcome.FASTER, 10, 1)
    assert timing.ci_low < timing.ratio < timing.ci_high < 0.95
    assert 0.4 < timing.ratio < 0.6
    assert timing.note == ""


def test_what_stays_open_is_unresolved_after_thirty_pairs():
    timing = Machine(spikes, 3).compare(0.01, 0.0095)
    assert (timing.outcome, timing.pairs, timing.looks) == (Outcome.UNRESOLVED, 30, 3)
    assert timing.note == "No decision after 30 pairs."


def test_short_runs_that_chance_leaves_open_are_not_said_to_be_too_near_to_tell():
    open_ones = [Machine(autocorrelated, seed).compare(0.000_02, 0.000_02) for seed in range(30)]
    notes = {timing.note for timing in open_ones if timing.outcome is Outcome.UNRESOLVED}
    assert notes == {"No decision after 30 pairs."}


def test_warm_ups_are_not_among_the_samples():
    machine = Machine(lognormal, 1)
    timing = machine.compare(0.01, 0.005)
    assert len(timing.before_ms) == len(timing.after_ms) == 10
    assert len(machine.runs) == 2 * (10 + WARM_UPS)


def test_both_versions_run_in_every_pair_and_either_goes_first():
    machine = Machine(lognormal, 1)
    machine.compare(0.01, 0.005)
    pairs = [tuple(machine.runs[i : i + 2]) for i in range(0, len(machine.runs), 2)]
    assert set(pairs) == {(0.01, 0.005), (0.005, 0.01)}


def test_garbage_is_collected_before_every_run():
    collections = []
    gc.callbacks.append(
        lambda phase, info: collections.append(info["generation"]) if phase == "start" else None
    )
    try:
        machine = Machine(lognormal, 1)
        machine.compare(0.01, 0.005)
    finally:
        gc.callbacks.pop()
    assert collections.count(2) >= len(machine.runs)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("after_s", [0.043, 0.45])
def test_a_run_of_four_and_a_half_seconds_is_decided_within_the_budget(seed, after_s):
    machine = Machine(lognormal, seed)
    timing = machine.compare(4.5, after_s)
    assert timing.outcome is Outcome.FASTER
    assert machine.now_s <= 33
    assert len(timing.before_ms) >= 3


def test_a_slow_new_version_is_decided_as_well():
    timing = Machine(lognormal, 1).compare(0.043, 4.5)
    assert timing.outcome is Outcome.SLOWER
    assert len(timing.before_ms) > len(timing.after_ms)
    assert timing.note.endswith("because too few pairs fit into 30 s.")


@pytest.mark.parametrize("noise", NOISES)
def test_slow_identical_code_is_never_faster_or_slower(noise):
    found = outcomes(noise, 4.5, 4.5)
    assert found[Outcome.FASTER] == found[Outcome.SLOWER] == 0


def test_too_few_pairs_say_how_many_a_decision_takes():
    timing = Machine(lognormal, 1).compare(4.5, 4.4)
    assert timing.outcome is Outcome.UNRESOLVED
    assert timing.note.startswith(f"Only {timing.pairs} pairs fitted into 30 s; a decision takes 6: allow ")


def test_the_budget_that_the_note_asks_for_is_enough():
    note = Machine(lognormal, 1).compare(4.5, 3.0).note
    budget_s = float(note.split("allow ")[1].split(" s")[0])
    assert Machine(lognormal, 1).compare(4.5, 3.0, budget_s=budget_s).outcome is Outcome.FASTER


def test_work_longer_than_the_budget_leaves_no_samples_and_no_claim():
    timing = Machine(lognormal, 1).compare(40, 39)
    assert (timing.outcome, timing.pairs, timing.before_ms, timing.ratio) == (Outcome.UNRESOLVED, 0, (), None)
    assert timing.note.startswith("Only 0 pairs fitted")


def test_work_shorter_than_the_clock_can_tell_is_the_same():
    timing = compare_timings(lambda: None, lambda: None, clock=lambda: 1.0, order=random.Random(1))
    assert timing.outcome is Outcome.SAME


def test_a_difference_of_a_microsecond_is_too_little_to_tell_however_steady_it_is():
    timing = Machine(lognormal, 1).compare(0.000_003, 0.000_002)
    assert (timing.outcome, timing.pairs) == (Outcome.UNRESOLVED, 30)
    assert timing.ci_high < 0.95
    assert timing.note.startswith("The medians differ by less than 2 µs, too little to tell")


@pytest.mark.parametrize(
    ("before_s", "after_s", "outcome"),
    [(0.000_013, 0.000_009, Outcome.FASTER), (0.000_009, 0.000_013, Outcome.SLOWER)],
)
def test_a_difference_of_some_microseconds_is_told(before_s, after_s, outcome):
    assert Machine(lognormal, 1).compare(before_s, after_s).outcome is outcome


def test_progress_is_told_after_every_round():
    told = []
    machine = Machine(lognormal, 1)
    compare_timings(
        machine.work(0.01),
        machine.work(0.005),
        clock=machine.clock,
        order=random.Random(1),
        progress=lambda done, planned: told.append((done, planned)),
    )
    assert told == [(number, 30) for number in range(1, 11)]


def test_the_real_clock_tells_a_loop_from_a_hundred_times_as_long_a_loop():
    timing = compare_timings(lambda: sum(range(200_000)), lambda: sum(range(2_000)))
    assert timing.outcome is Outcome.FASTER


def test_what_the_work_raises_is_raised():
    def broken():
        raise LookupError("no such user")

    with pytest.raises(LookupError, match="no such user"):
        compare_timings(broken, broken)


def test_a_coroutine_that_nobody_awaits_is_refused():
    async def work():
        return 1

    with pytest.raises(TypeError, match="async function"):
        compare_timings(work, work)


def test_async_work_is_judged_by_the_same_plan():
    def timed(awaiting):
        machine = Machine(spikes, 5)
        before, after = machine.work(0.01), machine.work(0.008)
        options = {"clock": machine.clock, "order": random.Random(1)}
        if not awaiting:
            return compare_timings(before, after, **options)

        async def old():
            await asyncio.sleep(0)
            before()

        async def new():
            await asyncio.sleep(0)
            after()

        return asyncio.run(compare_timings_async(old, new, **options))

    assert timed(awaiting=True) == timed(awaiting=False)


@pytest.mark.parametrize(
    ("samples", "met", "start"),
    [
        ((10.0,) * 8, True, "met: median 10 ms"),
        ((300.0,) * 8, False, "missed: median 300 ms"),
        ((100.0, 110.0, 190.0, 210.0, 290.0, 300.0), None, "cannot say: median 200 ms"),
        ((10.0,) * 5, None, "cannot say: 5 runs, 10 ms to 10 ms"),
        ((4500.0,), None, "cannot say: 1 run, 4.50 s to 4.50 s"),
        ((), None, "cannot say: nothing was timed"),
    ],
)
def test_a_target_is_met_missed_or_open(samples, met, start):
    result = judge_target(samples, 200)
    assert result.met is met
    assert result.sentence.startswith(start)


def test_a_target_that_equals_the_slowest_run_is_met():
    assert judge_target((200.0,) * 6, 200).met is True


@pytest.mark.parametrize(
    ("runs", "words"), [(58, "takes 59 of them"), (59, "95 of 100 runs take at most 59 ms")]
)
def test_the_slowest_runs_are_certified_from_fifty_nine_on(runs, words):
    assert words in judge_target(tuple(float(i + 1) for i in range(runs)), 200).sentence
