"""Rules: one file each, found by being there. `diagnose` runs them all over one trace."""

import functools
import importlib
import pkgutil
from collections.abc import Iterable

from perfkit.model.finding import SEVERITIES, Diagnosis, Finding, RuleResult, Verdict
from perfkit.model.proved_findings import with_proof
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

ECHO_SHARE = 0.8
# These say that something is slow, not why: any other finding about the same statements is the better one.
SYMPTOMS = ("slow-query",)
# What these say about a loop also ends the questions that it asks again for some of its rows.
LOOPS = ("n-plus-one", "m-plus-n", "select-in-loop")
REPEATS = "duplicate-query"

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
        verdict = Verdict.NOT_MEASURED
        if rule.can_judge(trace):
            found = [with_proof(item, trace) for item in rule.check(trace)]
            findings.extend(found)
            verdict = Verdict.FOUND if found else Verdict.PASSED
        results.append(RuleResult(rule.code, rule.name, verdict))
    return Diagnosis(tuple(sorted(_without_echoes(findings, trace), key=_rank)), tuple(results))


def _without_echoes(findings: list[Finding], trace: Trace) -> list[Finding]:
    """One root cause is one finding: drop what a rule of a lower code already explains.

    Two findings are the same when at least 80 % of the later one's statements are among the earlier one's
    (reference notes on detectors, section 3, "cross-cutting guards"). What loops ask again is theirs,
    whatever the codes, and though several findings share it.
    """
    kept: list[Finding] = []
    findings = [finding for finding in findings if not _repeats_within_loops(finding, findings, trace)]
    for finding in sorted(findings, key=lambda finding: finding.rule in SYMPTOMS):
        mine = set(finding.offenders)
        if not any(_explains(other, finding, mine) or _plans(other, finding, trace) for other in kept):
            kept.append(finding)
    yielding = {rule.name: rule.yields_to for rule in all_rules()}
    return [finding for finding in kept if not _is_symptom(finding, kept, yielding.get(finding.rule, ()))]


def _repeats_within_loops(finding: Finding, findings: list[Finding], trace: Trace) -> bool:
    """Whether it is one question that loops ask again, of which other findings speak.

    Several questions that come again together are another cause: a part of the block runs twice.
    """
    if finding.rule != REPEATS:
        return False
    spans, mine = trace.queries or (), set(finding.offenders)
    if len({spans[index].fingerprint for index in mine}) > 1:
        return False
    explained = {index for other in findings if other.rule in LOOPS for index in other.offenders}
    return len(mine & explained) >= ECHO_SHARE * len(mine)


def _is_symptom(finding: Finding, findings: list[Finding], causes: tuple[str, ...]) -> bool:
    """Whether a rule that this one yields to speaks about the same node of the same plan."""
    node = finding.offenders[:1]
    return finding.plan is not None and any(
        other.rule in causes and other.plan == finding.plan and set(node) & set(other.offenders)
        for other in findings
    )


def _explains(earlier: Finding, later: Finding, offenders: set[int]) -> bool:
    if earlier.plan is not None or later.plan is not None or earlier.rule == later.rule or not offenders:
        return False
    return len(offenders.intersection(earlier.offenders)) >= ECHO_SHARE * len(offenders)


def _plans(cause: Finding, symptom: Finding, trace: Trace) -> bool:
    """Whether a finding about a plan says why the statements of the other one are slow."""
    if symptom.rule not in SYMPTOMS or cause.plan is None or cause.severity == "info" or not trace.plans:
        return False
    shape = trace.plans[cause.plan].fingerprint
    return all((trace.queries or ())[index].fingerprint == shape for index in symptom.offenders)


def _rank(finding: Finding) -> tuple[int, float, int]:
    """Band first, then what the fix would save as far as we trust it (reference notes, section 4)."""
    saving = (finding.saving_ms or 0.0) * finding.confidence
    return SEVERITIES.index(finding.severity), -saving, -finding.round_trips
