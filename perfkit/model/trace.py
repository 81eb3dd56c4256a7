"""One measured block: everything that the collectors saw."""

from dataclasses import dataclass

from perfkit.model.cpu import CpuProfile
from perfkit.model.memory import MemoryProfile
from perfkit.model.plan import Plan
from perfkit.model.query import QuerySpan, TransactionCounts


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
    transactions: TransactionCounts | None = None
    plans: tuple[Plan, ...] | None = None
    cpu: CpuProfile | None = None
    memory: MemoryProfile | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def round_trips(self) -> int | None:
        """Statements and the messages that frame them; `None` where queries were not measured."""
        if self.queries is None:
            return None
        return len(self.queries) + (self.transactions.total if self.transactions else 0)
