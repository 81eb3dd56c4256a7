"""Read findings, proofs, targets and exercises back out of an executed notebook."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from perfkit.model.codec import TraceFormatError, trace_from_json
from perfkit.model.finding import Finding
from perfkit.model.verification import Verification, verification_from_json
from perfkit.report.cells import CellPlace, code_cells, unexpected_error, without_secrets
from perfkit.report.summary import (
    CellLink,
    Exercise,
    Failure,
    Problem,
    Proof,
    ReportSummary,
    RunFacts,
    Target,
    merge_problems,
)
from perfkit.rules import diagnose

TRACE = "application/vnd.perfkit.trace+json"
VERIFICATION = "application/vnd.perfkit.verification+json"
EXERCISE = "application/vnd.perfkit.exercise+json"
RUN_METADATA = "perfkit"


@dataclass
class _Collected:
    problems: list[Problem] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    exercises: dict[str, Exercise] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def summarize(notebook: Mapping[str, Any], title: str) -> ReportSummary:
    """Read what an executed notebook found.

    Args:
        notebook: a notebook of format 4.
        title: what to call it.

    Returns:
        The summary. Measurements that cannot be read are named in its notes and left out.
    """
    collected = _Collected()
    cells = list(code_cells(notebook))
    for place, cell in cells:
        link = CellLink(place.anchor, place.label)
        for data in _bundles(cell):
            _read_bundle(data, link, collected)
    return ReportSummary(
        title=title,
        run=_run_facts(notebook, cells),
        code_cells=len(cells),
        executed_cells=sum(_was_executed(cell) for _, cell in cells),
        failure=_failure(notebook, cells),
        problems=merge_problems(collected.problems),
        proofs=tuple(collected.proofs),
        targets=tuple(collected.targets),
        exercises=tuple(collected.exercises.values()),
        notes=tuple(collected.notes),
    )


def _bundles(cell: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for output in cell.get("outputs", ()):
        if output.get("output_type") in ("display_data", "execute_result"):
            yield output.get("data", {})


def _read_bundle(data: Mapping[str, Any], link: CellLink, collected: _Collected) -> None:
    try:
        if TRACE in data:
            _read_trace(data[TRACE], link, collected)
        if VERIFICATION in data:
            _read_verification(verification_from_json(data[VERIFICATION]), link, collected)
    except TraceFormatError as error:
        collected.notes.append(f"The measurement of {link.label} is left out. {error}")
    if EXERCISE in data:
        _read_exercise(data[EXERCISE], link, collected)


def _read_trace(payload: Any, link: CellLink, collected: _Collected) -> None:
    trace = trace_from_json(payload)
    collected.problems.extend(_problem(finding, link) for finding in diagnose(trace).findings)
    target_ms = payload.get("target_ms")
    if isinstance(target_ms, int | float):
        met = trace.error is None and trace.duration_ms <= target_ms
        collected.targets.append(Target(link, trace.name, trace.duration_ms, float(target_ms), met))


def _problem(finding: Finding, link: CellLink) -> Problem:
    return Problem(
        code=finding.code,
        rule=finding.rule,
        severity=finding.severity,
        message=finding.message,
        advice=finding.advice,
        where=_where(finding),
        saving_ms=finding.saving_ms,
        round_trips=finding.round_trips,
        cells=(link,),
    )


def _where(finding: Finding) -> str:
    """The line itself: the same line measured in two cells is one place."""
    place = finding.location or finding.loop or finding.cause
    if place is None:
        return ""
    return place.source_text.strip() or place.label


def _read_verification(verification: Verification, link: CellLink, collected: _Collected) -> None:
    timing, target = verification.timing, verification.target
    counts = {change.name: (change.before, change.after) for change in verification.counters}
    proof = Proof(
        cell=link,
        outcome=verification.outcome.value,
        reason=verification.equivalence.reason,
        before_ms=timing.before_median_ms if timing else None,
        after_ms=timing.after_median_ms if timing else None,
        ratio=timing.ratio if timing else None,
        statements=counts.get("statements"),
        target_ms=target.target_ms if target else None,
        target_met=target.met if target else None,
    )
    collected.proofs.append(proof)
    if target:
        # The verification has the last word on a target that an earlier measurement was held against.
        collected.targets = [t for t in collected.targets if t.target_ms != target.target_ms]
        collected.targets.append(Target(link, "verified fix", target.median_ms, target.target_ms, target.met))


def _read_exercise(payload: Any, link: CellLink, collected: _Collected) -> None:
    if not isinstance(payload, Mapping):
        return
    question = str(payload.get("question", "exercise"))
    collected.exercises[question] = Exercise(link, question, str(payload.get("status", "not attempted")))


def _was_executed(cell: Mapping[str, Any]) -> bool:
    return cell.get("execution_count") is not None or bool(cell.get("outputs"))


def _failure(notebook: Mapping[str, Any], cells: list[tuple[CellPlace, Mapping[str, Any]]]) -> Failure | None:
    stored = notebook["metadata"].get(RUN_METADATA, {}).get("failure")
    if isinstance(stored, Mapping):
        return Failure(
            _link_at(cells, stored.get("index")), str(stored["name"]), without_secrets(str(stored["message"]))
        )
    for place, cell in cells:
        error = unexpected_error(cell)
        if error is not None:
            link = CellLink(place.anchor, place.label)
            return Failure(
                link, str(error.get("ename", "Error")), without_secrets(str(error.get("evalue", "")))
            )
    return None


def _link_at(cells: list[tuple[CellPlace, Mapping[str, Any]]], index: Any) -> CellLink | None:
    places = (place for place, _ in cells if place.index == index)
    return next((CellLink(place.anchor, place.label) for place in places), None)


def _run_facts(notebook: Mapping[str, Any], cells: list[tuple[CellPlace, Mapping[str, Any]]]) -> RunFacts:
    """What the runner wrote; else what Jupyter itself keeps in the notebook."""
    metadata = notebook["metadata"]
    stored = metadata.get(RUN_METADATA, {}).get("run")
    if isinstance(stored, Mapping):
        return RunFacts(**{key: stored[key] for key in RunFacts.__slots__ if key in stored})
    times = [cell.get("metadata", {}).get("execution", {}) for _, cell in cells]
    starts = [time["iopub.execute_input"] for time in times if "iopub.execute_input" in time]
    version = str(metadata.get("language_info", {}).get("version", ""))
    return RunFacts(started_at=min(starts, default=None), python=version)
