"""When few runs on a busy machine tell that a change helps: simulated times, so no machine is named."""

import random
from itertools import islice

import pytest
from simulated import NOISES, lognormal

from perfkit.model.what_if import Runs
from perfkit.proof._what_if_times import MORE_ROUNDS, RUNS, is_faster, is_open, together

MANY, FEW = 39_664, 82
# What a program that takes the processor does to a run: two to five times as long, in a third of the runs.
TRIALS = 400


def busy(source):
    while True:
        slower = source.uniform(2, 5) if source.random() < 0.3 else 1.0
        yield source.lognormvariate(0, 0.05) * slower


def runs(noise, mean_ms, blocks, count=RUNS):
    return Runs(tuple(mean_ms * factor for factor in islice(noise, count)), (blocks,) * count)


def proved(noise, seed, *, base_ms, with_ms, base_blocks, with_blocks):
    """The protocol of a proof: three of each, then more in turns while it is open."""
    times = noise(random.Random(seed))
    base, change = runs(times, base_ms, base_blocks), runs(times, with_ms, with_blocks)
    for _ in range(MORE_ROUNDS):
        if is_open(base, change):
            base = together(base, runs(times, base_ms, base_blocks))
            change = together(change, runs(times, with_ms, with_blocks))
    return is_faster(base, change)


@pytest.mark.parametrize(
    ("noise", "most"),
    [*((noise, 0.01) for noise in NOISES), (busy, 0.05)],
    ids=lambda item: getattr(item, "__name__", str(item)),
)
def test_a_change_that_does_nothing_is_hardly_ever_proved(noise, most):
    same = {"base_ms": 10.0, "with_ms": 10.0, "base_blocks": MANY, "with_blocks": MANY}

    assert sum(proved(noise, seed, **same) for seed in range(TRIALS)) <= most * TRIALS


@pytest.mark.parametrize("noise", [*NOISES, busy], ids=lambda item: item.__name__)
def test_an_index_that_saves_nearly_all_blocks_is_proved_on_a_busy_machine_too(noise):
    good = {"base_ms": 10.0, "with_ms": 0.3, "base_blocks": MANY, "with_blocks": FEW}

    assert sum(proved(noise, seed, **good) for seed in range(TRIALS)) == TRIALS


@pytest.mark.parametrize("noise", NOISES, ids=lambda item: item.__name__)
def test_half_the_time_is_found_where_blocks_say_nothing(noise):
    half = {"base_ms": 10.0, "with_ms": 4.0, "base_blocks": MANY, "with_blocks": MANY}

    assert sum(proved(noise, seed, **half) for seed in range(TRIALS)) >= 0.9 * TRIALS


BASE = Runs((18.4, 13.9, 9.5), (MANY,) * 3)


@pytest.mark.parametrize(
    ("times_ms", "blocks", "is_proved"),
    [
        ((0.4, 0.3, 9.4), MANY, True),
        ((8.4, 8.3, 9.4), MANY, False),
        ((8.4, 8.3, 9.4), MANY // 2, True),
        ((0.4, 0.3, 27.0), FEW, True),
        ((0.4, 0.3, 27.0), MANY, False),
        ((0.4, 8.0, 27.0), FEW, False),
        ((0.4, 0.3, 27.0), MANY // 5, False),
        ((13.0, 13.1, 13.2), FEW, False),
    ],
)
def test_one_slow_run_counts_less_than_blocks_and_the_median_together(times_ms, blocks, is_proved):
    assert is_faster(BASE, Runs(times_ms, (blocks,) * 3)) is is_proved


def test_few_blocks_in_number_are_no_proof():
    base, change = Runs((2.0, 2.1, 0.5), (40,) * 3), Runs((0.4, 0.4, 0.6), (3,) * 3)

    assert not is_faster(base, change)
    assert is_open(base, change)


@pytest.mark.parametrize(
    ("times_ms", "blocks"),
    [((0.4, 0.3, 27.0), MANY), ((13.0, 13.1, 13.2), FEW), ((0.4, 19.0, 27.0), FEW)],
)
def test_more_runs_are_taken_where_the_median_or_the_blocks_speak_for_the_change(times_ms, blocks):
    assert is_open(BASE, Runs(times_ms, (blocks,) * 3))


@pytest.mark.parametrize(
    ("times_ms", "blocks"), [((0.4, 0.3, 0.3), FEW), ((13.0, 13.1, 13.2), MANY), ((20.0, 20.0, 20.0), MANY)]
)
def test_no_more_runs_are_taken_where_three_have_decided(times_ms, blocks):
    assert not is_open(BASE, Runs(times_ms, (blocks,) * 3))


def test_nine_runs_of_each_are_ranked_not_compared_one_by_one():
    source = random.Random(3)
    base, change = runs(lognormal(source), 10.0, MANY, 9), runs(lognormal(source), 4.0, MANY, 8)

    assert is_faster(base, together(change, Runs((30.0,), (MANY,))))
