"""What was tried for a plan, rolled back again, and what it did to the time."""

import statistics
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

AttemptKind = Literal["index", "statistics", "setting", "rewrite"]


class ProofVerdict(StrEnum):
    """What an attempt showed. What was not tried is rejected, and says why.

    `EXPECTED` is what the planner says of an index that was not built; it is no proof.
    """

    PROVED = "proved"
    EXPECTED = "planner would"
    NO_HELP = "no help"
    INCONCLUSIVE = "inconclusive"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Runs:
    """Executions of one statement: times in milliseconds, and blocks of 8 kB read from cache or disk."""

    times_ms: tuple[float, ...]
    blocks: tuple[int, ...]

    @property
    def median_ms(self) -> float:
        """The median execution time, in milliseconds."""
        return statistics.median(self.times_ms)

    @property
    def median_blocks(self) -> int:
        """The median number of blocks."""
        return round(statistics.median(self.blocks))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was tried, or that was not and why.

    `statement` is what to paste where it helped. `nodes` are the numbers of the plan's nodes that it is for.
    `write_share` is an estimate: how many bytes more each new row writes, as a share of the row. `costs` are
    the planner's for the statement without it and with it, where it was only asked.
    """

    kind: AttemptKind
    what: str
    statement: str
    verdict: ProofVerdict
    reason: str = ""
    relation: str = ""
    nodes: tuple[int, ...] = ()
    runs: Runs | None = None
    build_ms: float | None = None
    size_bytes: int | None = None
    write_share: float | None = None
    costs: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class TriedTable:
    """A table that something was tried on: its rows as the database counts them, its size without indexes."""

    name: str
    rows: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was tried for `Trace.plans[plan]`, best first.

    `base` are the runs without any change, `None` where it came to none. `refusal` says why nothing was
    changed, and what to do; what needs no change to the database may have been tried all the same.
    """

    plan: int
    base: Runs | None = None
    attempts: tuple[Attempt, ...] = ()
    tables: tuple[TriedTable, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str | None = None

    @property
    def best(self) -> Attempt | None:
        """What helped most, `None` where nothing was proved."""
        return next((item for item in self.attempts if item.verdict is ProofVerdict.PROVED), None)
