"""Before and after: exact differences of two traces, and the proof that a fix is one."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perfkit.model.trace import Trace
from perfkit.model.verification import (
    Equivalence,
    Outcome,
    TimingComparison,
    Verification,
    counter_changes,
    verification_to_json,
)
from perfkit.proof import benchmark
from perfkit.proof.equivalence import same_result
from perfkit.session.measurement import Measurement, measure
from perfkit.session.result import MIME_VERIFICATION, Result, load
from perfkit.views import comparison as comparison_view
from perfkit.views import verification as verification_view

Comparable = Trace | Result | Measurement | str | Path


@dataclass(frozen=True)
class Comparison:
    """Two traces side by side; shows itself."""

    before: Trace
    after: Trace

    def __str__(self) -> str:
        return comparison_view.as_text(self.before, self.after)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            "text/plain": str(self),
            "text/html": comparison_view.as_html(self.before, self.after).markup,
        }


@dataclass(frozen=True)
class VerificationResult:
    """The proof of a fix; shows itself."""

    verification: Verification

    @property
    def outcome(self) -> Outcome:
        """What was proved."""
        return self.verification.outcome

    def __str__(self) -> str:
        return verification_view.as_text(self.verification)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            "text/plain": str(self),
            "text/html": verification_view.as_html(self.verification).markup,
            MIME_VERIFICATION: verification_to_json(self.verification),
        }


def compare(before: Comparable, after: Comparable) -> Comparison:
    """Put two measured blocks side by side: exact counters, statements that came and went, times.

    Args:
        before: a trace, anything that holds one, or the file that one was saved to.
        after: the same.

    Returns:
        A comparison that shows itself.

    Raises:
        TypeError: if an argument is something else.
    """
    return Comparison(_trace_of(before), _trace_of(after))


def verify(
    before: Callable[[], object],
    after: Callable[[], object],
    *,
    target_ms: float | None = None,
    ordered: bool = True,
    budget_s: float = benchmark.BUDGET_S,
    progress: benchmark.Progress | None = None,
) -> VerificationResult:
    """Prove that a fix is one: the same result, exact counters, then time, unmeasured and in turns.

    Both functions run many times: they must be safe to repeat.

    Args:
        before: the old version, called without arguments.
        after: the new version.
        target_ms: the median time that the new version should not exceed, in milliseconds.
        ordered: whether the order of rows is part of the result.
        budget_s: how long the timing may take, in seconds.
        progress: called after each round with the rounds done and planned at most.

    Returns:
        The verification, which shows itself: FASTER, SLOWER, SAME, UNRESOLVED or NOT EQUIVALENT.

    Raises:
        TypeError: if a function is async, which goes to `verify_async`, or returns a generator.
        Exception: whatever the functions raise.
    """
    for function in (before, after):
        if inspect.iscoroutinefunction(function):
            raise TypeError("These functions are async: use `await perfkit.verify_async(before, after)`.")
    with measure("before") as old:
        old_result = before()
    with measure("after") as new:
        new_result = after()
    equivalence = _same(old_result, new_result, ordered)
    del old_result, new_result
    timing = None
    if equivalence.equal is not False:
        timing = benchmark.compare_timings(before, after, budget_s=budget_s, progress=progress)
    return VerificationResult(_verdict(old.trace, new.trace, equivalence, timing, target_ms))


async def verify_async(
    before: Callable[[], Awaitable[object]],
    after: Callable[[], Awaitable[object]],
    *,
    target_ms: float | None = None,
    ordered: bool = True,
    budget_s: float = benchmark.BUDGET_S,
    progress: benchmark.Progress | None = None,
) -> VerificationResult:
    """The same as `verify` for coroutine functions, awaited one after the other in the running loop.

    Args:
        before: the old version, called without arguments and awaited.
        after: the new version.
        target_ms: the median time that the new version should not exceed, in milliseconds.
        ordered: whether the order of rows is part of the result.
        budget_s: how long the timing may take, in seconds.
        progress: called after each round with the rounds done and planned at most.

    Returns:
        The verification, which shows itself.
    """
    async with measure("before") as old:
        old_result = await before()
    async with measure("after") as new:
        new_result = await after()
    equivalence = _same(old_result, new_result, ordered)
    del old_result, new_result
    timing = None
    if equivalence.equal is not False:
        timing = await benchmark.compare_timings_async(before, after, budget_s=budget_s, progress=progress)
    return VerificationResult(_verdict(old.trace, new.trace, equivalence, timing, target_ms))


def _same(old_result: object, new_result: object, ordered: bool) -> Equivalence:
    if inspect.isgenerator(old_result) or inspect.isgenerator(new_result):
        raise TypeError("A function returned a generator, so nothing of it has run: return list(...) of it.")
    return same_result(old_result, new_result, ordered=ordered)


def _verdict(
    old: Trace,
    new: Trace,
    equivalence: Equivalence,
    timing: TimingComparison | None,
    target_ms: float | None,
) -> Verification:
    verification = Verification(
        outcome=timing.outcome if timing else Outcome.NOT_EQUIVALENT,
        equivalence=equivalence,
        counters=counter_changes(old, new),
        timing=timing,
        notes=old.notes + tuple(note for note in new.notes if note not in old.notes),
    )
    if timing is None or target_ms is None:
        return verification
    return replace(verification, target=benchmark.judge_target(timing.after_ms, target_ms))


def _trace_of(item: Comparable) -> Trace:
    if isinstance(item, Trace):
        return item
    if isinstance(item, Result | Measurement):
        return item.trace
    if isinstance(item, str | Path):
        return load(item)
    raise TypeError(f"Compare takes traces, results or files, not {type(item).__name__}.")
