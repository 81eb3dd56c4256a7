"""Which calls lie below which, path by path, whether a profile knows whole paths or callers only."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from perfkit.model.cpu import CpuProfile
from perfkit.views._functions import callees

# A path's functions from the block down; and what one path calls, with times in seconds, the longest first.
Path = tuple[int, ...]
Below = list[tuple[int, float]]


@dataclass(slots=True)
class _Node:
    time_s: float = 0.0
    below: "dict[int, _Node]" = field(default_factory=dict)


class CallPaths:
    """The tree of calls of one profile.

    A sampled profile knows its paths. cProfile knows who called whom: there a function's time is divided
    among its callers as recorded, and below that in proportion, as SnakeViz does, and recursion is one level.
    """

    def __init__(self, profile: CpuProfile) -> None:
        self._called = {} if profile.stacks else callees(profile)
        self._root = _Node()
        for stack in profile.stacks:
            _add(self._root, stack.functions, stack.time_s)
        self._has_stacks = bool(profile.stacks)

    def below(self, path: Path, time_s: float) -> Below:
        """What a path calls, never longer than itself; the empty path is the block."""
        return self._known(path) if self._has_stacks else self._divided(path, time_s)

    def _known(self, path: Path) -> Below:
        node = self._root
        for number in path:
            node = node.below[number]
        return sorted(((n, child.time_s) for n, child in node.below.items()), key=lambda pair: -pair[1])

    def _divided(self, path: Path, time_s: float) -> Below:
        calls = [(n, edge.cumtime) for n, edge in self._called.get(path[-1] if path else -1, ())]
        calls = [(number, time) for number, time in calls if number not in path]
        total = sum(time for _, time in calls)
        scale = min(1.0, time_s / total) if total else 0.0
        return [(number, time * scale) for number, time in calls]


def own_times(profile: CpuProfile, *, least_s: float, most: int) -> Iterator[tuple[Path, float]]:
    """Every path with the time that it took itself, the callers before what they call.

    Args:
        profile: what to take apart.
        least_s: a path that took less, in seconds, is counted as its caller's own time.
        most: how many paths at most.

    Yields:
        Paths and seconds; together they are what the profile attributes to functions.
    """
    paths = CallPaths(profile)
    waiting: list[tuple[Path, float]] = [((), profile.attributed_ms / 1000)]
    count = 0
    while waiting:
        path, time_s = waiting.pop()
        below = [call for call in paths.below(path, time_s) if call[1] >= least_s]
        below = below[: max(0, most - count - len(waiting))]
        waiting += [((*path, number), time) for number, time in reversed(below)]
        own_s = time_s - sum(time for _, time in below)
        if path and own_s > 0:
            count += 1
            yield path, own_s


def _add(root: _Node, path: Path, time_s: float) -> None:
    node = root
    for number in path:
        node = node.below.setdefault(number, _Node())
        node.time_s += time_s
