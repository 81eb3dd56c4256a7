"""The proof of a fix: same result, exact counters, time with its uncertainty, and the target."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from perfkit.model.codec import SCHEMA_VERSION, encode, read_versioned
from perfkit.model.trace import Trace


class Outcome(StrEnum):
    """What was proved. "Unresolved" is an answer: the runs do not decide it."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNRESOLVED = "unresolved"
    NOT_EQUIVALENT = "not equivalent"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether both versions return the same. `equal` is `None` where that cannot be certified.

    `reason` is one sentence without any of the values.
    """

    equal: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class CounterChange:
    """One exact counter on both sides; `None` where it could not be counted. `unit` is empty for a count."""

    name: str
    unit: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class TimingComparison:
    """Times of both versions, run in turns, in milliseconds.

    `ratio` is the Hodges-Lehmann estimate of after / before, below 1 when the new version is faster;
    `ci_low` and `ci_high` bound it with 99 % confidence, and `p_value` is the two-sided Mann-Whitney
    probability of samples this different from equal code. They are `None` where the runs are too few.
    `pairs` is how many rounds were run and `looks` how often the samples were judged. `note` says what
    kept the comparison from a decision, or how the rounds differed from plain pairs.
    """

    outcome: Outcome
    before_ms: tuple[float, ...]
    after_ms: tuple[float, ...]
    pairs: int
    looks: int
    ratio: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    note: str = ""

    @property
    def before_median_ms(self) -> float | None:
        """Median time of the old version in milliseconds, `None` without runs."""
        return median(self.before_ms) if self.before_ms else None

    @property
    def after_median_ms(self) -> float | None:
        """Median time of the new version in milliseconds, `None` without runs."""
        return median(self.after_ms) if self.after_ms else None


@dataclass(frozen=True, slots=True)
class TargetResult:
    """Whether the median time meets the target; `met` is `None` where the runs cannot say.

    `ci_low` and `ci_high` (milliseconds) bound the median with 95 % confidence, `None` where the runs are
    too few for that.
    """

    target_ms: float
    met: bool | None
    median_ms: float | None
    ci_low: float | None
    ci_high: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was found out about a fix. A part that was not tried is `None`.

    `not_timed` says why there are no times although the results may be the same.
    """

    outcome: Outcome
    equivalence: Equivalence
    counters: tuple[CounterChange, ...] = ()
    timing: TimingComparison | None = None
    target: TargetResult | None = None
    notes: tuple[str, ...] = ()
    not_timed: str = ""


def counter_changes(before: Trace, after: Trace) -> tuple[CounterChange, ...]:
    """The exact counters of two blocks side by side.

    Args:
        before: the block as it was.
        after: the same block with the fix.

    Returns:
        One change a counter, changed or not; none where either block's queries were not measured.
    """
    if before.queries is None or after.queries is None:
        return ()
    counts = _counts(after)
    return tuple(CounterChange(name, "", count, counts[name]) for name, count in _counts(before).items())


def _counts(trace: Trace) -> dict[str, int | None]:
    groups, frames = trace.query_groups(), trace.transaction_counts
    rows = [group.returned_rows for group in groups]
    return {
        "statements": trace.statement_count,
        "shapes": len(groups),
        "round trips": trace.round_trips,
        "rows": None if None in rows else sum(row for row in rows if row is not None),
        "failed statements": sum(group.failed for group in groups),
        "commits": frames.commits if frames else None,
        "rollbacks": frames.rollbacks if frames else None,
    }


def verification_to_json(verification: Verification) -> dict[str, Any]:
    """Turn a verification into plain JSON values that `verification_from_json` reads back.

    Args:
        verification: what to encode.

    Returns:
        A dictionary that `json.dumps` takes.
    """
    return {"schema_version": SCHEMA_VERSION, "verification": encode(verification)}


def verification_from_json(data: object) -> Verification:
    """Read a verification from JSON values.

    Args:
        data: what `verification_to_json` returned, from any earlier version.

    Returns:
        An equal verification.

    Raises:
        TraceFormatError: if it is something else, or was written by a later perfkit.
    """
    return read_versioned(data, "verification", Verification)
