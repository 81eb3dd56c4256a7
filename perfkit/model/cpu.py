"""Where a block spent its time, function by function."""

from dataclasses import dataclass
from typing import Literal

from perfkit.model.location import CodeLocation

# A .prof has no place for remarks: an entry without any time carries this one.
SAMPLES_MARK = ("~", 0, "<the counts of this profile are samples>")


@dataclass(frozen=True, slots=True)
class CallerEdge:
    """How often, and for how long, one function was called by another; times in seconds, as in pstats."""

    caller: int
    ncalls: int
    primitive_calls: int
    tottime: float
    cumtime: float


@dataclass(frozen=True, slots=True)
class FunctionProfile:
    """One function; the names and the unit (seconds) are those of `pstats`.

    In a profile that counts samples, `ncalls` and `primitive_calls` are samples; see `CpuProfile.counts`.
    """

    location: CodeLocation
    ncalls: int
    primitive_calls: int
    tottime: float
    cumtime: float
    is_user_code: bool = False
    callers: tuple[CallerEdge, ...] = ()


@dataclass(frozen=True, slots=True)
class StackTime:
    """One call path, indices into `CpuProfile.functions` from the block down, and its time in seconds."""

    functions: tuple[int, ...]
    time_s: float


@dataclass(frozen=True, slots=True)
class LineTime:
    """One line of a function that was timed line by line: how often it ran, and for how long in seconds.

    The time contains what the line called, but not what it waited for at an `await`. Of a function that
    called itself, `is_recursive`, an inner call is in the line that made it, and again in its own lines.
    """

    location: CodeLocation
    hits: int
    time_s: float
    is_recursive: bool = False


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """A whole profile. `attributed_ms` of `wall_ms` is what the functions account for.

    `CallerEdge.caller` is an index into `functions`. `notes` say where the rest of the wall time went, as
    far as that can be told, and what else a reader of the numbers must know. A sampled profile counts
    samples, not calls, and knows its `stacks`. Of a profile that comes from a file neither wall nor CPU time
    may be known; `wall_ms` then is what the functions account for.
    """

    engine: str
    wall_ms: float
    attributed_ms: float
    cpu_ms: float
    functions: tuple[FunctionProfile, ...]
    notes: tuple[str, ...] = ()
    counts: Literal["calls", "samples"] = "calls"
    stacks: tuple[StackTime, ...] = ()
    lines: tuple[LineTime, ...] = ()
    is_wall_known: bool = True

    @property
    def coverage(self) -> float:
        """Share of the wall time that the functions account for, from 0 to 1."""
        return min(1.0, self.attributed_ms / self.wall_ms) if self.wall_ms > 0 else 1.0
