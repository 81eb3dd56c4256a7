"""Two versions of the same work, timed in turns until the times decide, or the budget ends.

Runs of both versions alternate in random order, because machines drift: with one block of runs after the
other, identical code "differs" in 23 % of trials at p < 0.05; in turns, with the rules below, in none of 150.
"""

import gc
import math
import random
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field, replace
from statistics import median

from perfkit.model.verification import Outcome, TimingComparison
from perfkit.model.wording import counted
from perfkit.proof.statistics import (
    hodges_lehmann_ratio,
    mann_whitney_p,
    ratio_interval,
    smallest_p,
)
from perfkit.proof.versions import PAIR, Side, refuse_unrun, say_which

LOOKS = (10, 20, 30)
"""Pairs after which the samples are judged. Later looks would find only changes too small to matter."""
ALPHA = 0.01 / len(LOOKS)
"""Level of each look: three looks share 1 % (Bonferroni)."""
WARM_UPS = 2
"""Runs of each version that are thrown away: caches, connections and lazy imports settle in them."""
NO_MATTER = 0.95
"""A ratio between 0.95 and its inverse counts as the same: smaller gains are not worth a changed line."""
LEAST_DIFFERENCE_MS = 0.002
"""Medians that lie closer decide nothing, because more than the work makes such a difference: identical
functions of 1 to 4 µs "differed" in 5 of 190 trials, by up to 1.2 µs; of 4 to 16 µs, in none of 320."""
BUDGET_S = 30.0
"""What a person waits for without leaving, in seconds."""
WARM_UP_SHARE = 0.1
"""No second warm-up when the first took more of the budget than this: the runs that count need the rest."""
LEAST_ROUNDS = 3
"""Fewer runs of the slower side would decide by two numbers."""
LEAST_PAIRS = 6
"""The least pairs whose smallest possible p lies below `ALPHA`: 2 / C(12, 6) = 0.0022."""
MOST_REPEATS = 10
"""Runs of the quicker side in one round at most."""
OVERRUN = 1.1
"""Rounds are planned into the budget, and the last may end a tenth later: warm-ups foretell only roughly."""
CLOCK_STEP_MS = 1e-6
"""The clock counts nanoseconds; a shorter run is taken as one, so that ratios exist."""

Clock = Callable[[], float]
Progress = Callable[[int, int], object]
Plan = Generator[Side, float, TimingComparison]


@dataclass(slots=True)
class _Samples:
    """Times so far, in milliseconds."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    rounds: int = 0
    looks: int = 0

    def add(self, side: Side, elapsed_s: float) -> None:
        (self.before if side == "before" else self.after).append(max(elapsed_s * 1000, CLOCK_STEP_MS))


def compare_timings(
    before: Callable[[], object],
    after: Callable[[], object],
    *,
    budget_s: float = BUDGET_S,
    clock: Clock = time.perf_counter,
    order: random.Random | None = None,
    progress: Progress | None = None,
) -> TimingComparison:
    """Time two functions in random turns and say which is faster, if the times can tell.

    A run of each should have ended well before: errors are told to have come in a later one.

    Args:
        before: the old version, called without arguments.
        after: the new version.
        budget_s: seconds it may take; a run is never interrupted, so two very slow ones take longer.
        clock: seconds, from any start.
        order: the source of the random order.
        progress: called after each round with the rounds done and the rounds planned at most.

    Returns:
        The samples, the ratio with its interval, and the outcome: never `NOT_EQUIVALENT`.

    Raises:
        UnsuitableFunctionError: if a function returns something to be awaited, or a generator.
        Exception: whatever the functions raise.
    """
    __tracebackhide__ = True  # an error of the user's own functions is shown from their frames on
    work = {"before": before, "after": after}
    plan = _plan(budget_s, clock, order, progress)
    side = next(plan)
    while True:
        gc.collect()
        start = clock()
        try:
            result = work[side]()
        except Exception as error:
            say_which(error, side, work[side], again=True)
            raise
        elapsed = clock() - start
        refuse_unrun(result, work[side])
        del result
        try:  # around no call of the user's, which may raise StopIteration as well
            side = plan.send(elapsed)
        except StopIteration as end:
            return _finished(end)


async def compare_timings_async(
    before: Callable[[], Awaitable[object]],
    after: Callable[[], Awaitable[object]],
    *,
    budget_s: float = BUDGET_S,
    clock: Clock = time.perf_counter,
    order: random.Random | None = None,
    progress: Progress | None = None,
) -> TimingComparison:
    """The same as `compare_timings` for coroutine functions, awaited one after the other.

    Args:
        before: the old version, called without arguments and awaited.
        after: the new version.
        budget_s: seconds it may take; a run is never interrupted, so two very slow ones take longer.
        clock: seconds, from any start.
        order: the source of the random order.
        progress: called after each round with the rounds done and the rounds planned at most.

    Returns:
        The samples, the ratio with its interval, and the outcome: never `NOT_EQUIVALENT`.

    Raises:
        Exception: whatever the functions raise.
    """
    __tracebackhide__ = True  # an error of the user's own functions is shown from their frames on
    work = {"before": before, "after": after}
    plan = _plan(budget_s, clock, order, progress)
    side = next(plan)
    while True:
        gc.collect()
        start = clock()
        try:
            result = await work[side]()
        except Exception as error:
            say_which(error, side, work[side], again=True)
            raise
        elapsed = clock() - start
        del result
        try:
            side = plan.send(elapsed)
        except StopIteration as end:
            return _finished(end)


def _finished(end: StopIteration) -> TimingComparison:
    assert isinstance(end.value, TimingComparison)
    return end.value


def _plan(budget_s: float, clock: Clock, order: random.Random | None, progress: Progress | None) -> Plan:
    """Yield which side to run next, take the seconds it took, and return the comparison in the end."""
    order = order or random.Random()  # noqa: S311  the order of runs is no secret
    begin = clock()
    pair_s = yield from _warm_up(budget_s, order)
    sides = _round(pair_s, begin + budget_s - clock())
    round_s = sum(pair_s[side] for side in sides)
    samples, started, verdict = _Samples(), clock(), None
    while samples.rounds < LOOKS[-1] and clock() + round_s <= begin + OVERRUN * budget_s:
        for side in order.sample(sides, len(sides)):
            samples.add(side, (yield side))
        samples.rounds += 1
        round_s = (clock() - started) / samples.rounds
        if progress:
            progress(samples.rounds, LOOKS[-1])
        if samples.rounds in LOOKS:
            verdict = _judge(samples)
            if verdict.outcome is not Outcome.UNRESOLVED:
                break
    if samples.rounds not in LOOKS:
        verdict = _judge(samples)
    assert verdict is not None
    return replace(verdict, note=_note(verdict, sides, sum(pair_s.values()), budget_s))


def _warm_up(budget_s: float, order: random.Random) -> Generator[Side, float, dict[Side, float]]:
    """Run each side once or twice; return the shortest time of each in seconds."""
    shortest: dict[Side, float] = {"before": math.inf, "after": math.inf}
    for _ in range(WARM_UPS):
        spent = 0.0
        for side in order.sample(PAIR, len(PAIR)):
            elapsed = yield side
            shortest[side] = min(shortest[side], elapsed)
            spent += elapsed
        if spent > WARM_UP_SHARE * budget_s:
            break
    return shortest


def _round(pair_s: dict[Side, float], left_s: float) -> tuple[Side, ...]:
    """What one round runs: a pair, or where too few pairs fit, the quicker side several times.

    The test asks for runs, not for pairs: 4 slow and 12 quick ones can decide where 4 pairs never could.
    """
    slow, quick = sorted(PAIR, key=lambda side: -pair_s[side])
    for repeats in range(1, MOST_REPEATS + 1):
        cost_s = pair_s[slow] + repeats * pair_s[quick]
        rounds = LOOKS[0] if cost_s <= 0 else min(LOOKS[0], int(left_s / cost_s))
        if rounds >= LEAST_ROUNDS and smallest_p(rounds, repeats * rounds) < ALPHA:
            return (slow, *[quick] * repeats)
    return PAIR


def _judge(samples: _Samples) -> TimingComparison:
    samples.looks += 1
    before, after = tuple(samples.before), tuple(samples.after)
    if not before:
        return TimingComparison(Outcome.UNRESOLVED, (), (), 0, 0)
    interval = ratio_interval(before, after)
    low, high = interval or (None, None)
    p_value = mann_whitney_p(before, after)
    ratio = hodges_lehmann_ratio(before, after)
    undecided = TimingComparison(
        Outcome.UNRESOLVED, before, after, samples.rounds, samples.looks, ratio, low, high, p_value
    )
    outcome = _decide(undecided)
    is_too_little = outcome is not Outcome.SAME and abs(median(after) - median(before)) < LEAST_DIFFERENCE_MS
    return undecided if is_too_little else replace(undecided, outcome=outcome)


def _decide(timing: TimingComparison) -> Outcome:
    """What the ratio says by itself, however short the runs are."""
    low, high, p_value = timing.ci_low, timing.ci_high, timing.p_value
    if low is None or high is None or p_value is None:
        return Outcome.UNRESOLVED
    if p_value < ALPHA and high < NO_MATTER:
        return Outcome.FASTER
    if p_value < ALPHA and low > 1 / NO_MATTER:
        return Outcome.SLOWER
    return Outcome.SAME if low >= NO_MATTER and high <= 1 / NO_MATTER else Outcome.UNRESOLVED


def _note(verdict: TimingComparison, sides: tuple[Side, ...], pair_s: float, budget_s: float) -> str:
    runs = len(verdict.before_ms), len(verdict.after_ms)
    if verdict.outcome is not Outcome.UNRESOLVED:
        if len(sides) == len(PAIR):
            return ""
        before = counted(runs[0], "run")
        return f"{before} before and {runs[1]} after, because too few pairs fit into {budget_s:g} s."
    if smallest_p(*runs) >= ALPHA:
        needed_s = math.ceil((LEAST_PAIRS + WARM_UPS) * pair_s)
        pairs = counted(verdict.pairs, "pair")
        return f"Only {pairs} fitted into {budget_s:g} s; a decision takes {LEAST_PAIRS}: allow {needed_s} s."
    if _decide(verdict) is not Outcome.UNRESOLVED:
        least = f"{LEAST_DIFFERENCE_MS * 1000:g} µs"
        return f"The medians differ by less than {least}, too little to tell: give both functions more work."
    limit = "" if verdict.pairs == LOOKS[-1] else f" in {budget_s:g} s"
    return f"No decision after {verdict.pairs} pairs{limit}."
