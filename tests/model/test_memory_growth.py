import pytest

from perfkit.model.memory_growth import GrowthVerdict, judge

MB = 1_000_000


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ([MB, 2 * MB, 3 * MB, 4 * MB, 5 * MB], GrowthVerdict.GROWTH),
        ([0, 0, 0.1 * MB, 0.2 * MB, 0.3 * MB], GrowthVerdict.GROWTH),
        ([n * 0.09 * MB for n in range(1, 20)], GrowthVerdict.GROWTH),
        ([5 * MB, 5 * MB, 5 * MB, 5 * MB, 5 * MB], GrowthVerdict.PLATEAU),
        ([0, 2 * MB, 5 * MB, 5.01 * MB, 5 * MB, 5 * MB], GrowthVerdict.PLATEAU),
        ([MB, 2 * MB, 3 * MB, 4 * MB, 5 * MB, 6 * MB, 6 * MB, 6 * MB, 6 * MB], GrowthVerdict.PLATEAU),
        ([0, 0, 5000, 10_000, 15_000], GrowthVerdict.PLATEAU),
        ([9 * MB, 8 * MB, 7 * MB, 6 * MB, 5 * MB], GrowthVerdict.PLATEAU),
        ([MB, 2 * MB, 3 * MB, 4 * MB], GrowthVerdict.UNKNOWN),
        ([0, 0, 0.05 * MB, 0.1 * MB, 0.15 * MB], GrowthVerdict.UNKNOWN),
        ([0, 0, 1 * MB, 9 * MB, 2 * MB, 9 * MB, 4 * MB, 12 * MB], GrowthVerdict.UNKNOWN),
        ([], GrowthVerdict.UNKNOWN),
    ],
)
def test_runs_are_judged_after_the_warm_up(sizes, verdict):
    fit = judge([round(size) for size in sizes])
    assert fit.verdict is verdict
    assert bool(fit.reason) is (verdict is GrowthVerdict.UNKNOWN)


def test_slope_and_fit_are_those_of_least_squares():
    fit = judge([0, 0, MB, 2 * MB, 3 * MB, 4 * MB])
    assert (fit.slope_bytes, fit.r_squared, fit.total_bytes) == (MB, 1.0, 3 * MB)
