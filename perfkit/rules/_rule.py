"""What a rule is: a code, a check, and examples on which it fires and on which it stays silent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from perfkit.model.finding import Finding, Severity
from perfkit.model.trace import Trace

Requirement = Literal["queries", "plans", "cpu", "memory"]
Check = Callable[[Trace], Iterator[Finding]]

# A finding is worth a line of its own when its saving is at least 5 % of the block or 5 ms
# (reference notes on detectors, section 3: common materiality).
MATERIAL_SHARE = 0.05
MATERIAL_MS = 5.0
# Lighthouse and JMC both call a quarter of the time a problem to fix first.
FIX_NOW_SHARE = 0.25


@dataclass(frozen=True)
class Rule:
    """One rule. Its module's docstring is its documentation, its check's keyword arguments its thresholds."""

    code: str
    name: str
    requires: Requirement
    check: Check
    fires_on: tuple[Trace, ...]
    silent_on: tuple[Trace, ...]

    def can_judge(self, trace: Trace) -> bool:
        """Whether the trace holds what this rule reads."""
        return getattr(trace, self.requires) is not None


def severity_of(saving_ms: float, trace: Trace, *, grows_with_data: bool = False) -> Severity:
    """How much a finding matters, from what its fix would save.

    Args:
        saving_ms: time that the fix would save, in milliseconds.
        trace: the block in which it was found.
        grows_with_data: whether the cost rises with the number of rows, as that of an N+1 does.

    Returns:
        `fix now` from a quarter of the block's time, `worth it` from 5 % or 5 ms or when the cost grows
        with the data, else `info`.
    """
    share = saving_ms / trace.duration_ms if trace.duration_ms > 0 else 0.0
    if share >= FIX_NOW_SHARE and (saving_ms >= MATERIAL_MS or grows_with_data):
        return "fix now"
    if share >= MATERIAL_SHARE or saving_ms >= MATERIAL_MS or grows_with_data:
        return "worth it"
    return "info"
