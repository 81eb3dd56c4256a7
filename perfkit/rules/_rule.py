"""What a rule is: a code, a check, and examples on which it fires and on which it stays silent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from perfkit.model.finding import Finding, Severity
from perfkit.model.plan import Plan
from perfkit.model.trace import Trace

Requirement = Literal[
    "queries",
    "transactions",
    "pool",
    "plans",
    "cpu",
    "memory",
    "memory.statements",
    "memory.repeats",
    "memory.retention",
]
Check = Callable[[Trace], Iterator[Finding]]

# A finding is worth a line of its own when its saving is at least 5 % of the block or 5 ms
# (reference notes on detectors, section 3: common materiality).
MATERIAL_SHARE = 0.05
MATERIAL_MS = 5.0
# Lighthouse and JMC both call a quarter of the time a problem to fix first.
FIX_NOW_SHARE = 0.25
# The rules that know why an index cannot serve a condition as it is written: to these yields what only sees
# the rows that are thrown away.
PREDICATE_RULES = (
    "parameter-type-cast",
    "cast-on-column",
    "function-on-column",
    "like-prefix",
    "like-infix",
    "json-predicate",
    "or-across-columns",
)
# Between two machines of one data centre; a local socket takes 0.03 ms (reference notes on notebooks, 0.9).
ROUND_TRIP_MS = 1.0


@dataclass(frozen=True)
class Rule:
    """One rule. Its module's docstring is its documentation, its check's keyword arguments its thresholds.

    `yields_to` are the names of rules about plans that know the cause where this one sees a symptom: what
    they say about a node is said instead of this. `plans_of` are the databases whose plans it reads, and
    `judges_unmeasured` says that it also reads those that were not executed, and `needs_client_time` that it
    reads only those of statements that the program was timed for.
    """

    code: str
    name: str
    requires: Requirement
    check: Check
    fires_on: tuple[Trace, ...]
    silent_on: tuple[Trace, ...]
    yields_to: tuple[str, ...] = ()
    plans_of: tuple[str, ...] = ("postgresql",)
    judges_unmeasured: bool = False
    needs_client_time: bool = False

    def can_judge(self, trace: Trace) -> bool:
        """Whether the trace holds what this rule reads: of plans, one of its database that was executed."""
        if self.requires == "plans":
            return trace.plans is not None and any(map(self._reads, trace.plans))
        part: object = trace
        for name in self.requires.split("."):
            part = getattr(part, name, None)
        return part is not None

    def _reads(self, plan: Plan) -> bool:
        if plan.system_name not in self.plans_of or (self.needs_client_time and plan.client_time_ms is None):
            return False
        return plan.analyzed or self.judges_unmeasured


def severity_of(
    saving_ms: float, trace: Trace, *, round_trips: int = 0, grows_with_data: bool = False
) -> Severity:
    """How much a finding matters, from what its fix would save.

    A database on the same machine hides round trips, so each one that the fix would save counts as 1 ms, both
    in the saving and in the block's time (DESIGN: detect by count and structure, rank by time).

    Args:
        saving_ms: time that the fix would save here, in milliseconds.
        trace: the block in which it was found.
        round_trips: round trips that the fix would save.
        grows_with_data: whether the cost rises with the number of rows; needless round trips always do.

    Returns:
        `fix now` from a quarter of the block's time and 5 ms, `worth it` from 5 % or 5 ms, or when the cost
        grows with the data; else `info`.
    """
    saving = saving_ms + round_trips * ROUND_TRIP_MS
    whole = trace.duration_ms + round_trips * ROUND_TRIP_MS
    share = saving / whole if whole > 0 else 0.0
    if share >= FIX_NOW_SHARE and saving >= MATERIAL_MS:
        return "fix now"
    if share >= MATERIAL_SHARE or saving >= MATERIAL_MS or round_trips or grows_with_data:
        return "worth it"
    return "info"
