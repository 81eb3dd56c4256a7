"""What Python asked for, line by line, by tracemalloc.

One frame is recorded for each block. Two or more would name the user's line behind a library's, but building
objects then takes 5 times as long instead of 2 (measured on CPython 3.11: 100,000 dictionaries in 194 ms
untraced, 397 ms with one frame, 1,018 ms with two, 1,046 ms with ten), and tells less than the user's own
lines beside the library's.
"""

import ctypes
import sys
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perfkit.capture.call_site import code_location, is_user_file
from perfkit.model.memory import AllocationDiff

_FRAMES = 1
_LINES_KEPT = 40
_PACKAGE_DIR = str(Path(__file__).parent.parent)

Place = tuple[str, int]
Totals = dict[Place, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Allocations:
    """What the block asked for; bytes, `None` where it is not known."""

    peak_bytes: int | None = None
    growth_bytes: int | None = None
    changes: Totals = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class AllocationTracer:
    """Traces allocations between start and stop; leaves a tracing that it found running as it was."""

    _open: "list[AllocationTracer]" = []  # noqa: RUF012 - tracemalloc is one for the process
    _is_ours = False

    def __init__(self) -> None:
        self._before: Totals = {}
        self._base_bytes = 0
        self._base_peak = 0
        self._seen_peak = 0

    def start(self) -> None:
        """Begin tracing, or note what a running tracing already holds."""
        tracer = AllocationTracer
        self._before, self._seen_peak = {}, 0
        if tracemalloc.is_tracing():
            self._before = _totals_by_line()
            if tracer._open and tracer._is_ours:
                self._hand_over_peak()
        else:
            return_free_memory()  # as after the block, so that earlier free pages are on neither side
            tracemalloc.start(_FRAMES)
            tracer._is_ours = True
        tracer._open.append(self)
        self._base_bytes, self._base_peak = tracemalloc.get_traced_memory()

    def _hand_over_peak(self) -> None:
        _, peak = tracemalloc.get_traced_memory()
        for tracer in AllocationTracer._open:
            tracer._seen_peak = max(tracer._seen_peak, peak)
        tracemalloc.reset_peak()

    def lap(self) -> tuple[int, int] | None:
        """What is held now, and the most since the start or the last lap, in bytes above the start.

        Returns:
            `None` where tracing was begun by somebody else, whose peak must stay.
        """
        if not tracemalloc.is_tracing() or not AllocationTracer._is_ours:
            return None
        held, peak = tracemalloc.get_traced_memory()
        self._hand_over_peak()
        return held - self._base_bytes, peak - self._base_bytes

    def read_peak(self) -> None:
        """Take the peak before the measurement's own work can raise it."""
        if tracemalloc.is_tracing():
            _, peak = tracemalloc.get_traced_memory()
            self._seen_peak = max(self._seen_peak, peak)

    def stop(self) -> Allocations:
        """End tracing if it was begun here, and say which lines hold more or less than before."""
        if not tracemalloc.is_tracing():
            self.abandon()
            return Allocations(notes=("Growth by line is not known: the block stopped tracemalloc.",))
        is_ours = AllocationTracer._is_ours
        try:
            after = _totals_by_line()
        finally:
            self.abandon()
        diffs = _differences(self._before, after)
        peak, notes = self._peak(is_ours)
        growth_bytes = sum(size for size, _ in diffs.values())
        return Allocations(peak, growth_bytes, diffs, notes)

    def abandon(self) -> None:
        """End tracing if it was begun here and nobody else needs it, without a result."""
        tracer = AllocationTracer
        if self in tracer._open:
            tracer._open.remove(self)
        if tracer._is_ours and not tracer._open:
            tracemalloc.stop()
            tracer._is_ours = False
            return_free_memory()

    def _peak(self, is_ours: bool) -> tuple[int | None, tuple[str, ...]]:
        if is_ours or self._seen_peak > self._base_peak:
            return max(0, self._seen_peak - self._base_bytes), ()
        note = (
            "The peak of what Python requested is not known: tracemalloc was already running with a higher "
            "peak, which was left as it is."
        )
        return None, (note,)


def return_free_memory() -> None:
    """Have the C allocator return free pages to the system, where it can be told to (glibc).

    tracemalloc's tables leave about 90 bytes for every traced block behind, freed but resident; without this
    they would be counted as kept by the user's code.
    """
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):
            pass  # not glibc


def _totals_by_line() -> Totals:
    """Size and count of all traced blocks by line, perfkit's own and the tracer's left out."""
    # The public iterators make an object a block: on a million blocks they take ten times as long.
    traces = tracemalloc.take_snapshot().traces._traces  # type: ignore[attr-defined]
    totals: Totals = {}
    for trace in traces:
        place = trace[2][0]
        size, count = totals.get(place, (0, 0))
        totals[place] = (size + trace[1], count + 1)
    return {place: total for place, total in totals.items() if not _is_own(place[0])}


def _is_own(file_path: str) -> bool:
    return file_path.startswith(_PACKAGE_DIR) or file_path.endswith(("tracemalloc.py", "memory_profiler.py"))


def _differences(before: Mapping[Place, tuple[int, int]], after: Mapping[Place, tuple[int, int]]) -> Totals:
    nothing = (0, 0)
    changes: Totals = {}
    for place in before.keys() | after.keys():
        (size_0, count_0), (size_1, count_1) = before.get(place, nothing), after.get(place, nothing)
        if size_1 != size_0 or count_1 != count_0:
            changes[place] = (size_1 - size_0, count_1 - count_0)
    return changes


def largest_changes(changes: Totals) -> tuple[AllocationDiff, ...]:
    """The lines that changed most, the user's and the libraries' each with a share of the room.

    Reads source files: to be called when nothing is measured any more.
    """
    ranked = sorted(changes.items(), key=lambda item: (-abs(item[1][0]), item[0]))
    users = [item for item in ranked if is_user_file(item[0][0])][:_LINES_KEPT]
    others = [item for item in ranked if not is_user_file(item[0][0])][:_LINES_KEPT]
    return tuple(
        AllocationDiff(code_location(path, line, "<module>"), size, count, is_user_code)
        for group, is_user_code in ((users, True), (others, False))
        for (path, line), (size, count) in group
    )
