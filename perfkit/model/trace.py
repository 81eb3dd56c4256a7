"""One measured block: everything that the collectors saw."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from perfkit.model.connection import PoolActivity, TransactionCounts, TransactionEvent
from perfkit.model.cpu import CpuProfile
from perfkit.model.memory import MemoryProfile
from perfkit.model.plan import Plan
from perfkit.model.production import ProductionPlan
from perfkit.model.query import QueryGroup, QuerySpan, QueryTotals, covered_ms, group_queries
from perfkit.model.what_if import Proof


@dataclass(frozen=True, slots=True)
class Trace:
    """A measured block. A part that was not measured is `None`; a part that saw nothing is empty.

    `start_time` is UTC in ISO 8601. `error` names the exception that ended the block, if one did.
    `notes` are remarks of the collectors about what they could not see. Of a very large block, `queries` are
    the first statements, and `more_queries` and `more_transactions` the totals of the rest. What tasks and
    threads sent that were at work before the block began is in `background_queries` and
    `more_background_queries`: it is no part of any other number, of any budget, or of what rules judge.
    During `stalled_ms` of the block some work of this machine waited for a processor; `None` where the system
    does not tell.
    """

    name: str
    start_time: str
    duration_ms: float
    queries: tuple[QuerySpan, ...] | None = None
    transactions: tuple[TransactionEvent, ...] | None = None
    pool: PoolActivity | None = None
    plans: tuple[Plan, ...] | None = None
    cpu: CpuProfile | None = None
    memory: MemoryProfile | None = None
    proofs: tuple[Proof, ...] | None = None
    production: tuple[ProductionPlan, ...] | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    more_queries: tuple[QueryTotals, ...] = ()
    more_transactions: TransactionCounts = field(default_factory=TransactionCounts)
    background_queries: tuple[QuerySpan, ...] = ()
    more_background_queries: tuple[QueryTotals, ...] = ()
    stalled_ms: float | None = None

    @property
    def transaction_counts(self) -> TransactionCounts | None:
        """How often a transaction began and ended; `None` where that was not measured."""
        if self.transactions is None:
            return None
        kinds = [event.kind for event in self.transactions]
        more = self.more_transactions
        return TransactionCounts(
            kinds.count("begin") + more.begins,
            kinds.count("commit") + more.commits,
            kinds.count("rollback") + more.rollbacks,
            sum(event.duration_ms or 0.0 for event in self.transactions) + more.total_ms,
        )

    @property
    def statement_count(self) -> int:
        """How many statements the block sent, those included that are not kept one by one.

        What tasks and threads sent that were at work before it is not among them.
        """
        return len(self.queries or ()) + sum(total.count for total in self.more_queries)

    @property
    def background_count(self) -> int:
        """How many statements tasks and threads sent that were at work before the block began."""
        return len(self.background_queries) + sum(total.count for total in self.more_background_queries)

    @property
    def database_ms(self) -> float:
        """Time during which a statement, commit or rollback was under way.

        Those that are not kept one by one are added up, but no further than the block's whole time.
        """
        total = covered_ms(self.database_times()) + self._uncovered_ms
        return min(total, self.duration_ms) if self._uncovered_ms else total

    @property
    def waiting_ms(self) -> float | None:
        """Time during which somebody waited for a pool's connection; `None` where that was not measured.

        Opening a new connection is part of it. A request that came to nothing waited until its error.
        """
        return None if self.pool is None else covered_ms(self.waits())

    @property
    def python_ms(self) -> float:
        """The rest: nothing was under way in a database, and nobody waited for a connection."""
        busy = covered_ms([*self.database_times(), *self.waits()]) + self._uncovered_ms
        return max(0.0, self.duration_ms - busy)

    @property
    def _uncovered_ms(self) -> float:
        return sum(total.total_ms for total in self.more_queries) + self.more_transactions.total_ms

    def database_times(self) -> Iterator[tuple[float, float]]:
        """Start and end, in milliseconds, of each statement, commit and rollback that is kept."""
        for span in self.queries or ():
            yield span.start_ms, span.end_ms
        for event in self.transactions or ():
            if event.duration_ms is not None:
                yield event.time_ms, event.time_ms + event.duration_ms

    def waits(self) -> Iterator[tuple[float, float]]:
        """Start and end, in milliseconds, of each wait for a connection of a pool."""
        for use in self.pool.uses if self.pool else ():
            ends = (use.acquired_ms, use.refused_ms, self.duration_ms)
            if not use.is_background:
                yield use.requested_ms, next(end for end in ends if end is not None)

    def query_groups(self) -> tuple[QueryGroup, ...]:
        """The block's statements by shape, the shape with the most time first."""
        return group_queries(self.queries or (), self.more_queries)

    def background_groups(self) -> tuple[QueryGroup, ...]:
        """The same for what tasks and threads sent that were at work before the block."""
        return group_queries(self.background_queries, self.more_background_queries)

    def without_parameters(self) -> "Trace":
        """The same trace without parameter values; itself where it holds none."""
        if all(span.parameters is None for span in (*(self.queries or ()), *self.background_queries)):
            return self
        return replace(
            self,
            queries=None if self.queries is None else _without_parameters(self.queries),
            background_queries=_without_parameters(self.background_queries),
        )

    @property
    def round_trips(self) -> int | None:
        """Statements and the messages that frame them; `None` where queries were not measured."""
        if self.queries is None:
            return None
        frames = self.transaction_counts
        return self.statement_count + (frames.total if frames else 0)


def _without_parameters(spans: tuple[QuerySpan, ...]) -> tuple[QuerySpan, ...]:
    return tuple(replace(span, parameters=None) for span in spans)
