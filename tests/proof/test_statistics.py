import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.proof.statistics import (
    hodges_lehmann_ratio,
    mann_whitney_p,
    median_interval,
    ratio_interval,
    samples_needed,
    smallest_p,
)

# Hollander and Wolfe (1973), table 4.1: permeability constants; R's wilcox.test prints W = 35, a one-sided
# p of 0.1272 and a difference in location of 0.305.
PLACENTA_AT_TERM = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
PLACENTA_EARLY = (1.15, 0.88, 0.90, 0.74, 1.21)

TIMES = st.lists(st.floats(0.01, 1e6, allow_nan=False), min_size=1, max_size=12)
DISTINCT = st.lists(st.floats(0.01, 1e6), min_size=6, max_size=24, unique=True)


def enumerated_p(a, b):
    """Every way to deal the values out to both sides: the definition of the test."""

    def distance_from_middle(chosen):
        rest = [value for value in (*a, *b) if value not in chosen]
        return abs(sum(x > y for x in chosen for y in rest) - len(a) * len(b) / 2)

    observed = distance_from_middle(a)
    deals = [distance_from_middle(deal) for deal in itertools.combinations((*a, *b), len(a))]
    return sum(distance >= observed for distance in deals) / len(deals)


@given(st.permutations(range(1, 10)), st.integers(1, 8))
def test_p_is_what_enumerating_every_deal_gives(values, cut):
    a, b = values[:cut], values[cut:]
    assert mann_whitney_p(a, b) == pytest.approx(enumerated_p(a, b))


def test_p_agrees_with_a_published_example():
    assert mann_whitney_p(PLACENTA_AT_TERM, PLACENTA_EARLY) == pytest.approx(2 * 0.1272, abs=5e-5)


def test_p_with_ties_is_the_corrected_normal_approximation():
    # scipy 1.17: mannwhitneyu(a, b, method="asymptotic")
    a, b = (1, 1, 2, 2, 3, 3, 3), (2, 3, 3, 4, 4, 5, 5)
    assert mann_whitney_p(a, b) == pytest.approx(0.025113810049107628)


def test_p_beyond_thirty_runs_a_side_stays_close_to_the_exact_one():
    a = [100 + i for i in range(35)]
    b = [110.5 + i for i in range(35)]
    # scipy 1.17: mannwhitneyu(a, b, method="exact")
    assert mann_whitney_p(a, b) == pytest.approx(0.00017153324046378297, abs=1e-4)


@pytest.mark.parametrize(("runs", "expected"), [(4, 0.029), (5, 0.0079), (6, 0.0022)])
def test_the_smallest_possible_p_is_the_published_one(runs, expected):
    assert smallest_p(runs, runs) == pytest.approx(expected, rel=0.02)
    assert mann_whitney_p(range(runs), range(runs, 2 * runs)) == pytest.approx(smallest_p(runs, runs))


def test_completely_tied_sides_never_claim_less_than_the_smallest_possible_p():
    assert mann_whitney_p([1.0] * 5, [2.0] * 5) == smallest_p(5, 5)


def test_equal_values_on_both_sides_are_no_evidence():
    assert mann_whitney_p([3.0] * 8, [3.0] * 8) == 1.0


def test_an_empty_side_is_no_evidence():
    assert mann_whitney_p([], [1.0]) == 1.0


def test_the_ratio_is_the_published_shift_on_a_log_scale():
    before, after = ([math.exp(value) for value in side] for side in (PLACENTA_EARLY, PLACENTA_AT_TERM))
    assert math.log(hodges_lehmann_ratio(before, after)) == pytest.approx(0.305)


# Critical values of U, two-sided, from the usual tables (Mann and Whitney, 1947; Auble, 1953).
@pytest.mark.parametrize(
    ("runs", "confidence", "critical_u"),
    [
        *[(5, 0.95, 2), (8, 0.95, 13), (10, 0.95, 23), (15, 0.95, 64), (20, 0.95, 127)],
        *[(5, 0.99, 0), (6, 0.99, 2), (8, 0.99, 7), (10, 0.99, 16), (15, 0.99, 51), (20, 0.99, 105)],
    ],
)
def test_the_interval_cuts_off_as_many_differences_as_the_published_tables_say(runs, confidence, critical_u):
    before = [math.exp(runs * i) for i in range(runs)]
    after = [math.exp(j + 0.5) for j in range(runs)]
    differences = sorted(j + 0.5 - runs * i for i in range(runs) for j in range(runs))
    low, high = ratio_interval(before, after, confidence=confidence)
    assert math.log(low) == pytest.approx(differences[critical_u])
    assert math.log(high) == pytest.approx(differences[-critical_u - 1])


def test_four_runs_a_side_have_no_interval():
    assert ratio_interval([1, 2, 3, 4], [5, 6, 7, 8]) is None


@pytest.mark.parametrize(("runs", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (30, 10, 21)])
def test_the_median_interval_is_the_published_pair_of_order_statistics(runs, low, high):
    # For example Conover, Practical Nonparametric Statistics, section 3.2.
    assert median_interval(range(1, runs + 1)) == (low, high)


def test_five_runs_have_no_median_interval():
    assert median_interval([1, 2, 3, 4, 5]) is None
    assert median_interval([]) is None


@pytest.mark.parametrize(("percentile", "runs"), [(0.5, 5), (0.95, 59), (0.99, 299)])
def test_runs_that_a_percentile_needs(percentile, runs):
    assert samples_needed(percentile) == runs
    assert percentile**runs < 0.05 <= percentile ** (runs - 1)


@pytest.mark.parametrize(("before", "after"), [([], [1.0]), ([1.0], []), ([0.0], [1.0]), ([1.0], [-1.0])])
def test_times_that_have_no_ratio_are_refused(before, after):
    with pytest.raises(ValueError, match="above zero"):
        hodges_lehmann_ratio(before, after)


@given(TIMES, TIMES)
def test_swapping_the_sides_inverts_the_ratio_and_keeps_p(a, b):
    assert hodges_lehmann_ratio(a, b) == pytest.approx(1 / hodges_lehmann_ratio(b, a))
    assert mann_whitney_p(a, b) == pytest.approx(mann_whitney_p(b, a))


@given(TIMES, TIMES, st.sampled_from([0.125, 2.0, 1024.0]))
def test_the_unit_of_the_times_does_not_matter(a, b, factor):
    scaled_a, scaled_b = ([factor * value for value in side] for side in (a, b))
    assert hodges_lehmann_ratio(scaled_a, scaled_b) == pytest.approx(hodges_lehmann_ratio(a, b))
    assert mann_whitney_p(scaled_a, scaled_b) == mann_whitney_p(a, b)


@given(TIMES, TIMES, st.sampled_from([0.5, 4.0]))
def test_a_side_that_takes_twice_as_long_doubles_the_ratio(a, b, factor):
    longer = [factor * value for value in b]
    assert hodges_lehmann_ratio(a, longer) == pytest.approx(factor * hodges_lehmann_ratio(a, b))


@given(DISTINCT, DISTINCT)
def test_the_interval_contains_the_ratio(a, b):
    low, high = ratio_interval(a, b)
    ratio = hodges_lehmann_ratio(a, b)
    assert low <= ratio * (1 + 1e-9)
    assert ratio <= high * (1 + 1e-9)


@given(DISTINCT, DISTINCT)
def test_p_is_a_probability_that_these_sizes_can_have(a, b):
    assert smallest_p(len(a), len(b)) * (1 - 1e-9) <= mann_whitney_p(a, b) <= 1


@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=40))
def test_the_median_interval_contains_the_median(values):
    low, high = median_interval(values)
    middle = sorted(values)[len(values) // 2]
    assert low <= middle <= high
