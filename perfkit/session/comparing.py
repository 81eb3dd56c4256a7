"""Before and after: exact differences of two traces, and the proof that a fix is one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit.model.query_writes import are_rolled_back, writes_of
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
from perfkit.proof.equivalence import ANY_ORDER, same_result
from perfkit.proof.target import judge_target
from perfkit.proof.versions import (
    Side,
    UnsuitableFunctionError,
    is_async,
    refuse_no_function,
    refuse_nothing_to_await,
    refuse_unrun,
    say_which,
)
from perfkit.session.measurement import Measurement
from perfkit.session.measuring import measure
from perfkit.session.result import MIME_VERIFICATION, Result, load
from perfkit.views import comparison as comparison_view
from perfkit.views import verification as verification_view

_HOW_TO_ACCEPT = "%verify --unordered, or ordered=False in Python, accepts that"

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
    repeat_writes: bool = False,
) -> VerificationResult:
    """Prove that a fix is one: the same result, exact counters, then time, unmeasured and in turns.

    Each function runs once, counted, and then many times to be timed. They must be safe to repeat: if one of
    them writes to the database, neither is timed unless `repeat_writes` says that it may happen again.

    Args:
        before: the old version, called without arguments.
        after: the new version.
        target_ms: the median time that the new version should not exceed, in milliseconds.
        ordered: whether the order of rows is part of the result.
        budget_s: how long the timing may take, in seconds.
        progress: called after each round with the rounds done and planned at most.
        repeat_writes: time functions that write too. Needed as well where they roll back, because a
            connection in autocommit mode ignores that.

    Returns:
        The verification, which shows itself: FASTER, SLOWER, SAME, UNRESOLVED or NOT EQUIVALENT.

    Raises:
        UnsuitableFunctionError: a `TypeError`, if a function is async, which goes to `verify_async`, returns
            a generator, or is none.
        Exception: whatever the functions raise.
    """
    __tracebackhide__ = True
    refuse_no_function(before, "before", "verify")
    refuse_no_function(after, "after", "verify")
    if is_async(before) or is_async(after):
        raise UnsuitableFunctionError(
            "These functions are async: use `await perfkit.verify_async(before, after)`."
        )
    old_result, old = _counted("before", before)
    new_result, new = _counted("after", after)
    first = _FirstRuns(old, new, _same(old_result, new_result, ordered), repeat_writes)
    del old_result, new_result
    if not first.may_repeat:
        return first.verdict(None, target_ms)
    timing = benchmark.compare_timings(before, after, budget_s=budget_s, progress=progress)
    return first.verdict(timing, target_ms)


async def verify_async(
    before: Callable[[], Awaitable[object]],
    after: Callable[[], Awaitable[object]],
    *,
    target_ms: float | None = None,
    ordered: bool = True,
    budget_s: float = benchmark.BUDGET_S,
    progress: benchmark.Progress | None = None,
    repeat_writes: bool = False,
) -> VerificationResult:
    """The same as `verify` for coroutine functions, awaited one after the other in the running loop.

    Args:
        before: the old version, called without arguments and awaited.
        after: the new version.
        target_ms: the median time that the new version should not exceed, in milliseconds.
        ordered: whether the order of rows is part of the result.
        budget_s: how long the timing may take, in seconds.
        progress: called after each round with the rounds done and planned at most.
        repeat_writes: time functions that write too; what they write is written again in each run.

    Returns:
        The verification, which shows itself.

    Raises:
        UnsuitableFunctionError: a `TypeError`, if a function is not async, or is none.
        Exception: whatever the functions raise.
    """
    __tracebackhide__ = True
    refuse_no_function(before, "before", "verify_async")
    refuse_no_function(after, "after", "verify_async")
    old_result, old = await _counted_async("before", before)
    new_result, new = await _counted_async("after", after)
    first = _FirstRuns(old, new, _same(old_result, new_result, ordered), repeat_writes)
    del old_result, new_result
    if not first.may_repeat:
        return first.verdict(None, target_ms)
    timing = await benchmark.compare_timings_async(before, after, budget_s=budget_s, progress=progress)
    return first.verdict(timing, target_ms)


def _counted(side: Side, function: Callable[[], object]) -> tuple[object, Trace]:
    """The first run of one version: what it returned, and what was counted."""
    __tracebackhide__ = True
    with measure(side) as block:
        try:
            result = function()
        except Exception as error:
            say_which(error, side, function, again=False)
            raise
    refuse_unrun(result, function)
    return result, block.trace


async def _counted_async(side: Side, function: Callable[[], Awaitable[object]]) -> tuple[object, Trace]:
    """The same, awaited."""
    __tracebackhide__ = True
    async with measure(side) as block:
        try:
            awaitable = function()
            refuse_nothing_to_await(awaitable, function)
            result = await awaitable
        except UnsuitableFunctionError:
            raise
        except Exception as error:
            say_which(error, side, function, again=False)
            raise
    refuse_unrun(result, function)
    return result, block.trace


def _same(old_result: object, new_result: object, ordered: bool) -> Equivalence:
    answer = same_result(old_result, new_result, ordered=ordered)
    if answer.equal is False and answer.reason.endswith(ANY_ORDER):
        return Equivalence(False, f"{answer.reason} ({_HOW_TO_ACCEPT})")
    return answer


@dataclass(frozen=True)
class _FirstRuns:
    """The counted run of each version, which is the only one unless they may be repeated."""

    old: Trace
    new: Trace
    equivalence: Equivalence
    repeat_writes: bool

    @property
    def may_repeat(self) -> bool:
        return self.equivalence.equal is not False and not self.refusal

    @property
    def refusal(self) -> str:
        """Why the functions must not run again, in two lines."""
        written = {name: writes_of(trace) for name, trace in (("before", self.old), ("after", self.new))}
        if self.repeat_writes or not any(written.values()):
            return ""
        sent = (
            f"{name} sent {', '.join(f'{count} × {verb}' for verb, count in verbs.most_common())}"
            for name, verbs in written.items()
            if verbs
        )
        undone = are_rolled_back(self.old) and are_rolled_back(self.new)
        condition = "If their rollbacks undo all of it" if undone else "If that may happen again and again"
        return (
            f"Not timed, because that takes many runs and each would write again: {'; '.join(sent)}.\n"
            f"{condition}, add --repeat-writes to %verify, or repeat_writes=True in Python."
        )

    def verdict(self, timing: TimingComparison | None, target_ms: float | None) -> VerificationResult:
        """Put together what was found out."""
        differs = self.equivalence.equal is False
        untimed = Outcome.NOT_EQUIVALENT if differs else Outcome.UNRESOLVED
        target = None if differs or target_ms is None else target_ms
        samples_ms = timing.after_ms if timing else ()
        return VerificationResult(
            Verification(
                outcome=timing.outcome if timing else untimed,
                equivalence=self.equivalence,
                counters=counter_changes(self.old, self.new),
                timing=timing,
                target=None if target is None else judge_target(samples_ms, target),
                notes=tuple(dict.fromkeys((*self.old.notes, *self.new.notes))),
                not_timed="" if timing or differs else self.refusal,
            )
        )


def _trace_of(item: Comparable) -> Trace:
    if isinstance(item, Trace):
        return item
    if isinstance(item, Result | Measurement):
        return item.trace
    if isinstance(item, str | Path):
        return load(item)
    raise TypeError(f"Compare takes traces, results or files, not {type(item).__name__}.")
