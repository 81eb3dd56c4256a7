"""Whether the new version meets its target: the median time, and as much as the runs can say of it."""

from statistics import median

from perfkit.model.verification import TargetResult
from perfkit.proof.statistics import median_interval, samples_needed


def judge_target(samples_ms: tuple[float, ...], target_ms: float) -> TargetResult:
    """Say whether the median time meets a target.

    Args:
        samples_ms: times of uninstrumented runs in milliseconds.
        target_ms: the median time that is asked for, in milliseconds.

    Returns:
        Met where the whole 95 % interval of the median is at or below the target, missed where it is
        above, and otherwise that it cannot be said; with a sentence that gives the numbers.
    """
    if not samples_ms:
        return TargetResult(target_ms, None, None, None, None, "cannot say: nothing was timed")
    middle, interval = median(samples_ms), median_interval(samples_ms)
    runs = f"{len(samples_ms)} run{'' if len(samples_ms) == 1 else 's'}"
    if interval is None:
        sentence = (
            f"cannot say: {runs}, {_ms(min(samples_ms))} to {_ms(max(samples_ms))}; "
            "a 95% interval of the median takes six"
        )
        return TargetResult(target_ms, None, middle, None, None, sentence)
    low, high = interval
    met = True if high <= target_ms else False if low > target_ms else None
    word = {True: "met", False: "missed", None: "cannot say"}[met]
    sentence = f"{word}: median {_ms(middle)}, 95% interval {_ms(low)} to {_ms(high)} from {runs}"
    return TargetResult(target_ms, met, middle, low, high, f"{sentence}; {_tail(samples_ms)}")


def _tail(samples_ms: tuple[float, ...]) -> str:
    needed = samples_needed(0.95)
    if len(samples_ms) < needed:
        return f"nothing is certified about the slowest 5% of runs, which takes {needed} of them"
    return f"95 of 100 runs take at most {_ms(max(samples_ms))}"


def _ms(value: float) -> str:
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.3g} ms"
