"""A finding about a plan, with what trying its fix has shown."""

from dataclasses import replace

from perfkit.model.finding import Finding
from perfkit.model.trace import Trace
from perfkit.model.what_if import Attempt, Proof, ProofVerdict

# What was tried on the real data and helped is as sure as anything gets; what did not help refutes.
_PROVED, _REFUTED = 0.95, 0.2


def with_proof(finding: Finding, trace: Trace) -> Finding:
    """Replace what a rule expects by what was measured, where the fix was tried.

    Args:
        finding: what a rule says.
        trace: the block that it is about.

    Returns:
        The finding with the proved fix, its statement and its saving; with the news that nothing helped;
        or as it was, where nothing was tried for its node.
    """
    for proof in trace.proofs or ():
        here = [item for item in proof.attempts if set(item.nodes) & set(finding.offenders[:1])]
        tried = [item for item in here if item.runs]
        if proof.plan != finding.plan or proof.base is None or not tried:
            continue
        best = next((item for item in tried if item.verdict is ProofVerdict.PROVED), None)
        if best is not None:
            return _proved(finding, proof, best, trace)
        if all(item.verdict is ProofVerdict.NO_HELP for item in tried):
            rejected = [item for item in here if item.verdict is ProofVerdict.REJECTED]
            return _refuted(finding, len(tried), rejected)
    return finding


def _proved(finding: Finding, proof: Proof, best: Attempt, trace: Trace) -> Finding:
    before_ms = proof.base.median_ms if proof.base else 0.0
    after_ms = best.runs.median_ms if best.runs else 0.0
    executions = trace.plans[proof.plan].executions if trace.plans else 1
    return replace(
        finding,
        advice=(
            f"Proved: {_shown(before_ms)} ms → {_shown(after_ms)} ms, tried on this database and rolled "
            f"back. This makes it last.\n{best.statement}"
        ),
        refutation="Refuted if other data or other values lead to another plan: prove it again there.",
        confidence=_PROVED,
        saving_ms=max(0.0, before_ms - after_ms) * max(1, executions),
    )


def _refuted(finding: Finding, count: int, rejected: list[Attempt]) -> Finding:
    tried = "What was tried for it did" if count == 1 else f"{count} things were tried for it and did"
    why = "".join(f" {item.reason}" for item in rejected[:1])
    return replace(
        finding,
        severity="info",
        advice=f"{tried} not help, so there is nothing to paste.{why}",
        refutation="Tried on this database and rolled back; other data or other values may differ.",
        confidence=_REFUTED,
        saving_ms=None,
    )


def _shown(time_ms: float) -> str:
    return f"{time_ms:,.0f}" if time_ms >= 10 else f"{time_ms:.1f}" if time_ms >= 1 else f"{time_ms:.2f}"
