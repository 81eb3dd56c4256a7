"""What a block asked of memory, and what it kept."""

from dataclasses import dataclass
from typing import Literal

from perfkit.model.location import CodeLocation
from perfkit.model.memory_growth import Repeats
from perfkit.model.native import NativeProfile
from perfkit.model.retention import Retention


@dataclass(frozen=True, slots=True)
class AllocationDiff:
    """Memory that one line holds more (or less) of after the block; the names are those of `tracemalloc`."""

    location: CodeLocation
    size_diff: int
    count_diff: int
    is_user_code: bool = True


@dataclass(frozen=True, slots=True)
class RssSample:
    """Resident memory of the process at one moment of the block."""

    time_ms: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class LineMemory:
    """One line of a function that was measured line by line; bytes.

    `increment_bytes` is what resident memory rose by while the line ran, callees included, over all its
    `occurrences`; `rss_bytes` is the highest reading after it.
    """

    location: CodeLocation
    rss_bytes: int
    increment_bytes: int
    occurrences: int


@dataclass(frozen=True, slots=True)
class StatementMemory:
    """One statement at the top level of a cell; times since the block began, sizes above its start, in bytes.

    `peak_bytes` is the highest resident size while it ran, `None` where the kernel cannot tell; `end_bytes`
    the resident size after it. `traced_peak_bytes` and `traced_end_bytes` are the same of what Python
    requested, `None` where that was not traced.
    """

    location: CodeLocation
    start_ms: float
    end_ms: float
    end_bytes: int
    peak_bytes: int | None = None
    traced_peak_bytes: int | None = None
    traced_end_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryProfile:
    """Memory of one block. Resident sizes are the process's; traced sizes are what Python asked for.

    `peak_source` says how the resident peak is known: `kernel` is exact, `sampled` may miss short peaks.
    `tracer_bytes` is what tracemalloc's own tables took at the end of the block: part of `peak_bytes` and
    `rss_samples`, never of `end_bytes`. `garbage_bytes` were still held by reference cycles at the end.
    """

    baseline_bytes: int
    peak_bytes: int
    end_bytes: int
    peak_source: Literal["kernel", "sampled"]
    rss_samples: tuple[RssSample, ...] = ()
    traced_peak_bytes: int | None = None
    traced_growth_bytes: int | None = None
    growth: tuple[AllocationDiff, ...] = ()
    lines: tuple[LineMemory, ...] = ()
    statements: tuple[StatementMemory, ...] | None = None
    retention: Retention | None = None
    repeats: Repeats | None = None
    native: NativeProfile | None = None
    tracer_bytes: int | None = None
    garbage_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def peak_increase_bytes(self) -> int:
        """How far resident memory rose above where it was when the block began."""
        return self.peak_bytes - self.baseline_bytes

    @property
    def kept_bytes(self) -> int:
        """How much more resident memory the process has after the block; negative if it gave some back."""
        return self.end_bytes - self.baseline_bytes
