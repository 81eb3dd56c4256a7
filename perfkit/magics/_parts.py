"""Which parts of a cell a magic measures.

Magics that are stacked on one cell share one measurement of all that they ask for, and each shows its own
part: with a measurement each, the outer one would be charged for the start and the end of the inner one
(130 ms for memory), and two could not have the profiler.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from perfkit.model.connection import TransactionCounts
from perfkit.model.trace import Trace
from perfkit.session import CpuEngine, Measurement, PlanMode, measure

# What tells more goes before what tells less.
_MEMORY = (False, "peak", True, "native")
_PLANS = (False, True, "auto", "prove")


@dataclass(frozen=True)
class Parts:
    """What to measure; the names and meanings are those of `measure`."""

    queries: bool = False
    parameters: bool = False
    plans: PlanMode = False
    confirm: bool = False
    cpu: bool | CpuEngine = False
    memory: bool | Literal["peak", "native"] = False
    functions: tuple[Any, ...] = ()
    line_times: tuple[Any, ...] = ()

    def __or__(self, other: "Parts") -> "Parts":
        memory = max(self.memory, other.memory, key=_MEMORY.index)
        return Parts(
            queries=self.queries or other.queries,
            parameters=self.parameters or other.parameters,
            plans=max(self.plans, other.plans, key=_PLANS.index),
            confirm=self.confirm or other.confirm,
            cpu=_wanted(self.cpu, other.cpu),
            memory=memory,
            functions=self.functions + other.functions,
            line_times=self.line_times + other.line_times,
        )

    def measurement(self, name: str) -> Measurement:
        """A measurement of these parts, not started."""
        return measure(
            name,
            queries=self.queries,
            parameters=self.parameters,
            plans=self.plans,
            confirm=self.confirm,
            cpu=self.cpu,
            memory=self.memory,
            functions=self.functions,
            line_times=self.line_times,
        )

    def of(self, trace: Trace) -> Trace:
        """The trace without what another magic on the same cell asked for."""
        if not self.queries:
            trace = replace(trace, queries=None, transactions=None, pool=None, **_NO_MORE_QUERIES)
        return replace(
            trace if self.parameters else trace.without_parameters(),
            plans=trace.plans if self.plans else None,
            proofs=trace.proofs if self.plans == "prove" else None,
            cpu=trace.cpu if self.cpu else None,
            memory=trace.memory if self.memory else None,
        )


_NO_MORE_QUERIES: dict[str, Any] = {
    "more_queries": (),
    "more_transactions": TransactionCounts(),
    "background_queries": (),
    "more_background_queries": (),
}


def _wanted(one: bool | CpuEngine, other: bool | CpuEngine) -> bool | CpuEngine:
    """An engine that a person has named goes before the one that a magic takes by itself."""
    named = [engine for engine in (one, other) if isinstance(engine, str)]
    return named[0] if named else bool(one or other)
