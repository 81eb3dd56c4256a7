"""Where a block spent its time, function by function."""

from dataclasses import dataclass

from perfkit.model.location import CodeLocation


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
    """One function; the names and the unit (seconds) are those of `pstats`."""

    location: CodeLocation
    ncalls: int
    primitive_calls: int
    tottime: float
    cumtime: float
    is_user_code: bool = False
    callers: tuple[CallerEdge, ...] = ()


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """A whole profile. `attributed_ms` of `wall_ms` is what the functions account for.

    `CallerEdge.caller` is an index into `functions`. `notes` say where the rest of the wall time went, as
    far as that can be told, and what else a reader of the numbers must know.
    """

    engine: str
    wall_ms: float
    attributed_ms: float
    cpu_ms: float
    functions: tuple[FunctionProfile, ...]
    notes: tuple[str, ...] = ()

    @property
    def coverage(self) -> float:
        """Share of the wall time that the functions account for, from 0 to 1."""
        return min(1.0, self.attributed_ms / self.wall_ms) if self.wall_ms > 0 else 1.0
