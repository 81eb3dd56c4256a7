"""One measured block: everything that the collectors saw."""

from dataclasses import dataclass, field

from perfkit.model.connection import PoolActivity, TransactionCounts, TransactionEvent
from perfkit.model.cpu import CpuProfile
from perfkit.model.memory import MemoryProfile
from perfkit.model.plan import Plan
from perfkit.model.production import ProductionPlan
from perfkit.model.query import QueryGroup, QuerySpan, QueryTotals, busy_ms, group_queries
from perfkit.model.what_if import Proof


@dataclass(frozen=True, slots=True)
class Trace:
    """A measured block. A part that was not measured is `None`; a part that saw nothing is empty.

    `start_time` is UTC in ISO 8601. `error` names the exception that ended the block, if one did.
    `notes` are remarks of the collectors about what they could not see. Of a very large block, `queries` are
    the first statements, and `more_queries` and `more_transactions` the totals of the rest.
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
        )

    @property
    def statement_count(self) -> int:
        """How many statements were sent, those included that are not kept one by one."""
        return len(self.queries or ()) + sum(total.count for total in self.more_queries)

    @property
    def database_ms(self) -> float:
        """Time during which a statement was under way; those not kept one by one are added up."""
        total = busy_ms(self.queries or ()) + sum(total.total_ms for total in self.more_queries)
        return min(total, self.duration_ms) if self.more_queries else total

    def query_groups(self) -> tuple[QueryGroup, ...]:
        """All statements by shape, the shape with the most time first."""
        return group_queries(self.queries or (), self.more_queries)

    @property
    def round_trips(self) -> int | None:
        """Statements and the messages that frame them; `None` where queries were not measured."""
        if self.queries is None:
            return None
        frames = self.transaction_counts
        return self.statement_count + (frames.total if frames else 0)
