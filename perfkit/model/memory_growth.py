"""Whether memory grows from one run of the same code to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

WARM_UP = 2
MIN_POINTS = 3
MIN_R_SQUARED = 0.9
MIN_SLOPE_BYTES = 100_000
MIN_TOTAL_BYTES = 1_000_000
# What an interpreter itself keeps of a cell that runs again: up to 2 kB (measured in a kernel).
NOISE_BYTES = 10_000
# A last step of less than a fifth of the mean step is the end of a filling up.
_FILLED_SHARE = 0.2


class GrowthVerdict(StrEnum):
    """What the runs say; `unknown` where they are too few, too uneven, or the growth too small to be sure."""

    PLATEAU = "plateau"
    GROWTH = "growth"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Iteration:
    """After one more run and a collection of garbage; bytes above what was there before the first repeat.

    `traced_bytes` is what Python holds of what it requested since then.
    """

    traced_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """Further runs of a block, in order. `stopped_by` says why there are fewer than were asked for."""

    iterations: tuple[Iteration, ...]
    asked_for: int
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through sizes after the warm-up; `total_bytes` is from its first to its last point."""

    verdict: GrowthVerdict
    slope_bytes: float = 0.0
    r_squared: float = 0.0
    total_bytes: int = 0
    reason: str = ""


def judge(
    sizes: Sequence[int],
    *,
    warm_up: int = WARM_UP,
    min_r_squared: float = MIN_R_SQUARED,
    min_slope_bytes: float = MIN_SLOPE_BYTES,
    min_total_bytes: float = MIN_TOTAL_BYTES,
) -> Fit:
    """Judge sizes after equal runs.

    Growth is a straight line: a slope above 0, R² of at least 0.9, and at least 100 kB a run or 1 MB in all,
    after two runs of warm-up, and no filling up to a bound (reference notes on detectors, 3.16).

    Args:
        sizes: bytes after each run.
        warm_up: runs at the beginning that fill caches, left out.
        min_r_squared: share of the variance that the line explains, at least.
        min_slope_bytes: bytes a run, at least, or:
        min_total_bytes: bytes over all runs after the warm-up, at least.

    Returns:
        The line, the verdict, and why it is unknown where it is.
    """
    points = sizes[warm_up:]
    if len(points) < MIN_POINTS:
        reason = (
            f"{len(points)} runs after {warm_up} of warm-up are too few: at least {MIN_POINTS} are needed"
        )
        return Fit(GrowthVerdict.UNKNOWN, reason=reason)
    slope, r_squared = _line(points)
    total = points[-1] - points[0]
    verdict, reason = GrowthVerdict.UNKNOWN, ""
    if slope <= NOISE_BYTES or _has_filled(points):
        verdict = GrowthVerdict.PLATEAU
    elif r_squared < min_r_squared:
        reason = f"it rises unevenly (R² {r_squared:.2f}, below {min_r_squared})"
    elif slope < min_slope_bytes and total < min_total_bytes:
        reason = "it rises evenly, but by little: more repeats would tell"
    else:
        verdict = GrowthVerdict.GROWTH
    return Fit(verdict, slope, r_squared, total, reason)


def _has_filled(points: Sequence[int]) -> bool:
    mean_step = (points[-1] - points[0]) / (len(points) - 1)
    last = max(1, len(points) // 3)
    last_step = (points[-1] - points[-1 - last]) / last
    return last_step <= _FILLED_SHARE * mean_step


def _line(points: Sequence[int]) -> tuple[float, float]:
    """Least squares: the slope and R²."""
    xs = range(len(points))
    mean_x, mean_y = fmean(xs), fmean(points)
    variance_x = sum((x - mean_x) ** 2 for x in xs)
    variance_y = sum((y - mean_y) ** 2 for y in points)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, points, strict=True))
    r_squared = covariance**2 / (variance_x * variance_y) if variance_y else 0.0
    return covariance / variance_x, r_squared
