"""A judgement about a trace, and what was judged at all."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from perfkit.model.location import CodeLocation

Severity = Literal["fix now", "worth it", "info"]
SEVERITIES: tuple[Severity, ...] = ("fix now", "worth it", "info")


class Verdict(StrEnum):
    """What a rule said. A rule that had nothing to judge never says that all is well."""

    FOUND = "found"
    PASSED = "passed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, where it is, what to do about it, and what would refute it.

    `offenders` are indexes into `Trace.queries`, or node numbers of `Trace.plans[plan]` where `plan` is set.
    `outer_loop` is the loop around `loop` that sends statements of its own. `cause` is where the fix
    belongs, for an N+1 the statement whose rows feed the loop. `saving_ms` is what the fix would save as
    measured, `None` where that cannot be said. `round_trips` is how many round trips the fix would save:
    at 1 ms each, that is what it costs over a network.
    """

    code: str
    rule: str
    severity: Severity
    message: str
    advice: str
    refutation: str
    confidence: float
    location: CodeLocation | None = None
    loop: CodeLocation | None = None
    cause: CodeLocation | None = None
    offenders: tuple[int, ...] = ()
    plan: int | None = None
    saving_ms: float | None = None
    round_trips: int = 0
    evidence: tuple[str, ...] = ()
    outer_loop: CodeLocation | None = None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule said about one trace."""

    code: str
    rule: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Every finding, worst first, and the verdict of every rule."""

    findings: tuple[Finding, ...]
    results: tuple[RuleResult, ...]

    @property
    def not_measured(self) -> tuple[str, ...]:
        """Names of the rules that had nothing to judge."""
        return tuple(result.rule for result in self.results if result.verdict is Verdict.NOT_MEASURED)
