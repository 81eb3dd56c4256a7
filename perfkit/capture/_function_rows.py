"""Functions while a profile is put together, from calls or from samples, and what becomes of them."""

import re
from dataclasses import dataclass, field

from perfkit.capture._code_origin import Origin
from perfkit.capture.call_site import code_location
from perfkit.model.cpu import CallerEdge, FunctionProfile
from perfkit.model.location import CodeLocation

Label = tuple[str, int, str]
_CELL = re.compile(r"In ?\[\d+\]")


@dataclass(slots=True, eq=False)
class Edge:
    """Calls of one function by another, or samples that saw them; times in seconds."""

    ncalls: int = 0
    primitive_calls: int = 0
    tottime: float = 0.0
    cumtime: float = 0.0


@dataclass(slots=True, eq=False)
class Row:
    """One function; times in seconds."""

    label: Label
    origin: Origin
    ncalls: int = 0
    primitive_calls: int = 0
    tottime: float = 0.0
    cumtime: float = 0.0
    callers: dict[Label, Edge] = field(default_factory=dict)

    @property
    def is_called_from_outside(self) -> bool:
        """Whether something that was running before the start has called it."""
        return self.ncalls > sum(edge.ncalls for edge in self.callers.values())


Graph = dict[Label, Row]


def numbered(graph: Graph) -> dict[Label, int]:
    """The number of each function in the profile: the longest own time first."""
    rows = sorted(graph.values(), key=lambda row: (-row.tottime, -row.cumtime, row.label))
    return {row.label: number for number, row in enumerate(rows)}


def functions_of(
    graph: Graph, numbers: dict[Label, int], *, has_sources: bool = True
) -> tuple[FunctionProfile, ...]:
    """The functions of the profile.

    Args:
        graph: they and their callers.
        numbers: what `numbered` returned.
        has_sources: whether the files named are those of this machine, so that a line may be read from them.
            Without, a cell is known by its name alone, as a kernel that has ended wrote it.
    """
    return tuple(_function(graph[label], numbers, has_sources) for label in numbers)


def _function(row: Row, numbers: dict[Label, int], has_sources: bool) -> FunctionProfile:
    cell = row.label[0] if not has_sources and _CELL.fullmatch(row.label[0]) else None
    is_user_code = cell is not None or row.origin == "user"
    # A source line says something to the one who wrote it; reading every library's file would take longer
    # than the rest of the profile.
    has_line = is_user_code and has_sources
    location = code_location(*row.label) if has_line else CodeLocation(*row.label, cell=cell)
    callers = (
        CallerEdge(numbers[label], edge.ncalls, edge.primitive_calls, edge.tottime, edge.cumtime)
        for label, edge in row.callers.items()
    )
    return FunctionProfile(
        location,
        row.ncalls,
        row.primitive_calls,
        row.tottime,
        row.cumtime,
        is_user_code,
        tuple(sorted(callers, key=lambda edge: -edge.cumtime)),
    )
