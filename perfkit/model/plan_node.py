"""One node of a query plan: fields are what the database said, properties are what we computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Buffers:
    """Blocks of 8 kB that were touched. `hit` counts every access to the cache, not distinct blocks."""

    shared_hit: int = 0
    shared_read: int = 0
    temp_read: int = 0
    temp_written: int = 0

    @property
    def shared(self) -> int:
        """Blocks from the cache and from the disk together."""
        return self.shared_hit + self.shared_read

    def minus(self, other: "Buffers") -> "Buffers":
        """What is left after taking `other` away, never below zero."""
        return Buffers(
            max(0, self.shared_hit - other.shared_hit),
            max(0, self.shared_read - other.shared_read),
            max(0, self.temp_read - other.temp_read),
            max(0, self.temp_written - other.temp_written),
        )


@dataclass(frozen=True, slots=True)
class NodeShare:
    """What one node took for itself, once the whole tree is known (`perfkit.model.plan_times`).

    Times are milliseconds of the clock, `None` where the plan was not timed. `busy_ms` sums all processes.
    `rounding_ms` is how far `self_ms` may be off because the database rounds to a microsecond a loop.
    """

    participants: float = 1.0
    total_ms: float | None = None
    self_ms: float | None = None
    busy_ms: float | None = None
    rounding_ms: float = 0.0
    self_buffers: Buffers = field(default_factory=Buffers)


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One node of a plan. `node_id` is its number in reading order, the root is 0.

    Times and rows are averages over the loops, as the database gives them; block counts are totals.
    `attributes` holds everything else, under the database's own names (`Filter`, `Sort Key`, …).
    """

    node_id: int
    node_type: str
    children: tuple["PlanNode", ...] = ()
    plan_rows: float | None = None
    actual_rows: float | None = None
    actual_loops: int | None = None
    actual_total_time: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    actual_startup_time: float | None = None
    startup_cost: float | None = None
    total_cost: float | None = None
    plan_width: int | None = None
    parent_relationship: str | None = None
    subplan_name: str | None = None
    schema: str | None = None
    relation_name: str | None = None
    alias: str | None = None
    index_name: str | None = None
    rows_removed_by_filter: float | None = None
    shared_hit_blocks: int | None = None
    shared_read_blocks: int | None = None
    temp_read_blocks: int | None = None
    temp_written_blocks: int | None = None
    share: NodeShare = field(default_factory=NodeShare, init=False, repr=False, compare=False)

    def walk(self) -> Iterator["PlanNode"]:
        """This node and all below it, in reading order."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.children))

    @property
    def executed(self) -> bool | None:
        """Whether it ran at all; `None` where the plan was not executed."""
        return None if self.actual_loops is None else self.actual_loops > 0

    @property
    def total_time_ms(self) -> float | None:
        """Milliseconds of the clock in this node and below it: loops and parallel processes applied."""
        return self.share.total_ms

    @property
    def self_time_ms(self) -> float | None:
        """Milliseconds of the clock in this node alone; over all nodes they add up to the root's time."""
        return self.share.self_ms

    @property
    def busy_time_ms(self) -> float | None:
        """Milliseconds in this node and below it, added up over all parallel processes."""
        return self.share.busy_ms

    @property
    def rounding_ms(self) -> float:
        """How far the self time may be off by rounding, in milliseconds."""
        return self.share.rounding_ms

    @property
    def total_rows(self) -> float | None:
        """Rows that it returned over all loops and processes."""
        return _times(self.actual_rows, self.actual_loops)

    @property
    def total_rows_removed(self) -> float | None:
        """Rows that its filter threw away over all loops and processes; `None` without a filter."""
        return _times(self.rows_removed_by_filter, self.actual_loops)

    @property
    def row_estimate_factor(self) -> float | None:
        """How many times too few or too many rows were expected, 1 for exact.

        Both sides are floored at one row, as pgMustard and depesz do. `None` where that says nothing: the
        node never ran, or is a BitmapAnd or BitmapOr, for which PostgreSQL always reports 0 rows.
        """
        if not self.actual_loops or self.actual_rows is None or self.plan_rows is None:
            return None
        if self.node_type in ("BitmapAnd", "BitmapOr"):
            return None
        actual, planned = max(1.0, self.actual_rows), max(1.0, self.plan_rows)
        return max(actual / planned, planned / actual)

    @property
    def buffers(self) -> Buffers:
        """Blocks touched by this node and everything below it."""
        return Buffers(
            self.shared_hit_blocks or 0,
            self.shared_read_blocks or 0,
            self.temp_read_blocks or 0,
            self.temp_written_blocks or 0,
        )

    @property
    def self_buffers(self) -> Buffers:
        """Blocks touched by this node alone."""
        return self.share.self_buffers


def _times(average: float | None, loops: int | None) -> float | None:
    return None if average is None or loops is None else average * loops
