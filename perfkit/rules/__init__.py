"""Rules: one file each, found by being there. `diagnose` runs them all over one trace."""

import functools
import importlib
import pkgutil
from collections.abc import Iterable

from perfkit.model.finding import SEVERITIES, Diagnosis, Finding, RuleResult, Verdict
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

__all__ = ["all_rules", "diagnose", "find_rule"]


@functools.cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the package, in the order of their codes."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    rules = [importlib.import_module(f"{__name__}.{name}").RULE for name in names]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def find_rule(code_or_name: str) -> Rule | None:
    """The rule with this code (`PK101`) or name (`n-plus-one`), in any case, or `None`."""
    wanted = code_or_name.strip().lower()
    return next((rule for rule in all_rules() if wanted in (rule.code.lower(), rule.name)), None)


def diagnose(trace: Trace, rules: Iterable[Rule] | None = None) -> Diagnosis:
    """Judge a trace.

    Args:
        trace: what was measured.
        rules: the rules to ask; all of them by default.

    Returns:
        The findings, worst first, and what each rule said. A rule whose evidence was not measured says
        "not measured", never "passed".
    """
    findings: list[Finding] = []
    results: list[RuleResult] = []
    for rule in all_rules() if rules is None else rules:
        found = tuple(rule.check(trace)) if rule.can_judge(trace) else ()
        findings.extend(found)
        results.append(RuleResult(rule.code, rule.name, _verdict(rule, trace, found)))
    return Diagnosis(tuple(sorted(findings, key=_rank)), tuple(results))


def _verdict(rule: Rule, trace: Trace, found: tuple[Finding, ...]) -> Verdict:
    if not rule.can_judge(trace):
        return Verdict.NOT_MEASURED
    return Verdict.FOUND if found else Verdict.PASSED


def _rank(finding: Finding) -> tuple[int, float, int]:
    """Band first, then what the fix would save as far as we trust it (reference notes, section 4)."""
    saving = (finding.saving_ms or 0.0) * finding.confidence
    return SEVERITIES.index(finding.severity), -saving, -finding.round_trips
