"""From sampled call paths to the functions of a profile.

A function's cumulative time is that of the moments in which it was on any path; its own time that of the
moments in which a path ended in it, shared where several coroutines waited at once. So own times add up to
the time on the clock, and a coroutine that waits beside others still has its whole waiting time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from perfkit.capture._code_origin import origin
from perfkit.capture._function_rows import Edge, Graph, Label, Row, functions_of, numbered
from perfkit.model.cpu import FunctionProfile, StackTime

LabelPath = tuple[Label, ...]
# Charts show 16 levels, other tools some more; deeper paths count as time of the last level that is kept.
_MOST_DEPTH = 100
_MOST_STACKS = 5000


@dataclass(frozen=True, slots=True)
class Moments:
    """Samples that saw the same: paths from the block down, all active at once; time in seconds."""

    paths: tuple[LabelPath, ...]
    time_s: float
    samples: int


def functions_and_stacks(
    seen: Sequence[Moments], *, has_sources: bool = True
) -> tuple[tuple[FunctionProfile, ...], tuple[StackTime, ...]]:
    """Put samples together.

    Args:
        seen: samples; those without a path are left out.
        has_sources: whether the files named are those of this machine, so that a line may be read from them.

    Returns:
        Functions, the longest own time first, whose counts are samples; and the call paths by time.
    """
    graph: Graph = {}
    for moments in seen:
        _count(moments, graph)
    numbers = numbered(graph)
    return functions_of(graph, numbers, has_sources=has_sources), _stacks(seen, numbers)


def without_repeats(path: Iterable[Label]) -> LabelPath:
    """The path with a function that calls itself directly on it once."""
    kept: list[Label] = []
    for label in path:
        if not kept or kept[-1] != label:
            kept.append(label)
    return tuple(kept)


def _count(moments: Moments, graph: Graph) -> None:
    paths = [path for path in moments.paths if path]
    own: dict[Label, float] = {}
    caller_of: dict[Label, dict[Label | None, None]] = {}
    for path in paths:
        own[path[-1]] = own.get(path[-1], 0.0) + moments.time_s / len(paths)
        previous = None
        on_path: set[Label] = set()
        for label in path:
            # Of a recursion only the outermost call has come from outside of it.
            if label not in on_path:
                caller_of.setdefault(label, {})[previous] = None
                on_path.add(label)
            previous = label
    for label, callers in caller_of.items():
        row = graph.setdefault(label, Row(label, origin(label[0])))
        _add(row, moments, own.get(label, 0.0))
        for caller in callers:
            if caller is not None:
                edge = row.callers.setdefault(caller, Edge())
                _add(edge, moments, own.get(label, 0.0) / len(callers))


def _add(to: Row | Edge, moments: Moments, own_s: float) -> None:
    to.ncalls += moments.samples
    to.primitive_calls += moments.samples
    to.cumtime += moments.time_s
    to.tottime += own_s


def _stacks(seen: Sequence[Moments], index: dict[Label, int]) -> tuple[StackTime, ...]:
    times: dict[tuple[int, ...], float] = {}
    for moments in seen:
        paths = [path[:_MOST_DEPTH] for path in moments.paths if path]
        for path in paths:
            numbers = tuple(index[label] for label in path)
            times[numbers] = times.get(numbers, 0.0) + moments.time_s / len(paths)
    largest = sorted(times, key=lambda numbers: -times[numbers])
    for numbers in largest[_MOST_STACKS:]:
        time_s = times.pop(numbers)
        shorter = numbers[:-1] or numbers
        while len(shorter) > 1 and shorter not in times:
            shorter = shorter[:-1]
        times[shorter] = times.get(shorter, 0.0) + time_s
    return tuple(StackTime(numbers, time) for numbers, time in sorted(times.items(), key=lambda p: -p[1]))
