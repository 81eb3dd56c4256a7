"""One measured block: everything that the collectors saw."""

from dataclasses import dataclass

from perfkit.model.connection import PoolActivity, TransactionCounts, TransactionEvent
from perfkit.model.cpu import CpuProfile
from perfkit.model.memory import MemoryProfile
from perfkit.model.plan import Plan
from perfkit.model.query import QuerySpan
from perfkit.model.what_if import Proof


@dataclass(frozen=True, slots=True)
class Trace:
    """A measured block. A part that was not measured is `None`; a part that saw nothing is empty.

    `start_time` is UTC in ISO 8601. `error` names the exception that ended the block, if one did.
    `notes` are remarks of the collectors about what they could not see.
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
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def transaction_counts(self) -> TransactionCounts | None:
        """How often a transaction began and ended; `None` where that was not measured."""
        if self.transactions is None:
            return None
        kinds = [event.kind for event in self.transactions]
        return TransactionCounts(kinds.count("begin"), kinds.count("commit"), kinds.count("rollback"))

    @property
    def round_trips(self) -> int | None:
        """Statements and the messages that frame them; `None` where queries were not measured."""
        if self.queries is None:
            return None
        return len(self.queries) + len(self.transactions or ())
