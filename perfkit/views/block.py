"""A whole measured block: what was found first, then each part that was measured."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from perfkit.model.finding import Diagnosis, Finding, Verdict
from perfkit.model.plan import Plan
from perfkit.model.trace import Trace
from perfkit.model.wording import counted, one_line
from perfkit.views import cpu, findings, memory, plan_tree, production, queries, snakeviz, what_if
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._html import Html, card, details, heading, join, paragraph, pill, section
from perfkit.views.curve import Mark

SHOWN_MARKS = 8
MARK_SHARE = 0.05
Focus = Literal["queries", "plans", "cpu", "memory", "all"]
_TITLES = {"queries": "Statements", "plans": "Query plans", "cpu": "Function times", "memory": "Memory"}


def as_html(
    trace: Trace, diagnosis: Diagnosis, *, focus: Focus = "all", target_ms: float | None = None
) -> Html:
    """The whole block as one card.

    Args:
        trace: what was measured.
        diagnosis: what the rules say of it.
        focus: the part that was asked for; with `all`, the parts are folded below the findings.
        target_ms: the time that the block should take.
    """
    pieces: list[Html | str] = [heading(trace.name, summary(trace, diagnosis))]
    if trace.error:
        pieces.append(paragraph(join([pill("failed", "bad"), f" The block ended with {trace.error}."])))
    pieces.extend(paragraph(join([pill("left out", "worth it"), " ", line])) for line in _left_out(trace))
    if target_ms is not None:
        pieces.append(_target_html(trace, target_ms))
    shown = _judged(diagnosis, focus)
    pieces.append(findings.as_html(shown.findings) if shown.findings else findings.silence_html(shown))
    for part, render in _parts_html(trace, diagnosis):
        if focus == "all":
            pieces.append(details(_TITLES[part], render()))
        else:
            pieces.extend([section(_TITLES[part]) if part != focus else "", render()])
    pieces.extend(paragraph(note, quiet=True) for note in trace.notes)
    return card(*pieces)


def as_text(
    trace: Trace, diagnosis: Diagnosis, *, focus: Focus = "all", target_ms: float | None = None
) -> str:
    """The same for a terminal."""
    lines = [f"{trace.name}: {summary(trace, diagnosis)}"]
    if trace.error:
        lines.append(f"The block ended with {trace.error}.")
    lines.extend(_left_out(trace))
    if target_ms is not None:
        lines.append(_target_text(trace, target_ms))
    shown = _judged(diagnosis, focus)
    judgement = findings.as_text(shown.findings) if shown.findings else findings.silence_text(shown)
    lines.extend([judgement] if judgement else [])
    for part, render in _parts_text(trace, diagnosis):
        text = render()
        if text:
            lines.extend(["", _TITLES[part], text])
    return "\n".join([*lines, *trace.notes])


def _left_out(trace: Trace) -> list[str]:
    """What was asked for in vain stands first: the rest answers another question."""
    return [line for then in trace.production or () for line in then.left_out]


def summary(trace: Trace, diagnosis: Diagnosis) -> str:
    """One line with the number of every part that was measured, and of the findings."""
    parts = []
    if trace.queries is not None:
        parts.append(queries.summary(trace))
    elif trace.plans is None:
        parts.append(milliseconds(trace.duration_ms))
    else:
        parts.append(counted(len(trace.plans), "plan"))
    if trace.memory is not None:
        parts.append(f"memory peak {megabytes(trace.memory.peak_increase_bytes)} above the start")
    if diagnosis.findings:
        parts.append(counted(len(diagnosis.findings), "finding"))
    return " · ".join(parts)


def _judged(diagnosis: Diagnosis, focus: Focus) -> Diagnosis:
    """Only what the person asked for is called "not measured"; the rest was not asked for."""
    if focus == "all":
        return diagnosis
    asked = tuple(result for result in diagnosis.results if result.verdict is not Verdict.NOT_MEASURED)
    return Diagnosis(diagnosis.findings, asked)


def _parts_html(trace: Trace, diagnosis: Diagnosis) -> Iterator[tuple[str, Callable[[], Html]]]:
    if trace.queries is not None:
        yield "queries", lambda: queries.as_html(trace)
    if trace.plans is not None:
        yield "plans", lambda: _plans_html(trace, diagnosis)
    if trace.cpu is not None:
        profile = trace.cpu
        yield "cpu", lambda: join([cpu.as_html(profile), snakeviz.iframe(profile)])
    if trace.memory is not None:
        usage = trace.memory
        yield "memory", lambda: memory.as_html(usage, _marks(trace))


def _parts_text(trace: Trace, diagnosis: Diagnosis) -> Iterator[tuple[str, Callable[[], str]]]:
    if trace.queries:
        yield "queries", lambda: queries.as_text(trace)
    if trace.plans:
        yield "plans", lambda: _plans_text(trace, diagnosis)
    if trace.cpu is not None:
        profile = trace.cpu
        yield "cpu", lambda: cpu.as_text(profile)
    if trace.memory is not None:
        usage = trace.memory
        yield "memory", lambda: memory.as_text(usage)


def _marks(trace: Trace) -> tuple[Mark, ...]:
    """The slowest statements on the memory curve, if they took a visible part of the time."""
    slow = (span for span in trace.queries or () if span.duration_ms >= MARK_SHARE * trace.duration_ms)
    slowest = sorted(slow, key=lambda span: -span.duration_ms)[:SHOWN_MARKS]
    return tuple(Mark(span.start_ms, span.operation_name) for span in slowest)


def _plans_html(trace: Trace, diagnosis: Diagnosis) -> Html:
    if not trace.plans:
        return paragraph("No statement could be explained.", quiet=True)
    parts: list[Html] = []
    shared = _shared_settings(trace.plans)
    for number, plan in enumerate(trace.plans):
        parts.append(plan_tree.as_html(plan, _findings_of(diagnosis, number), number, said=shared))
        parts.extend(what_if.as_html(proof) for proof in trace.proofs or () if proof.plan == number)
        then = [item for item in trace.production or () if item.plan == number]
        parts.extend(production.as_html(item, said=plan.settings) for item in then)
    parts.extend([paragraph(plan_tree.settings_line(shared), quiet=True)] if shared else [])
    return join(parts)


def _shared_settings(plans: Sequence[Plan]) -> plan_tree.Settings | None:
    """The planner's settings, where all of several plans were made with the same: they are told once."""
    first = plans[0].settings if len(plans) > 1 else None
    return first if all(plan.settings == first for plan in plans) else None


def _plans_text(trace: Trace, diagnosis: Diagnosis) -> str:
    parts: list[str] = []
    shared = _shared_settings(trace.plans or ())
    for number, plan in enumerate(trace.plans or ()):
        said = plan_tree.as_text(plan, _findings_of(diagnosis, number), said=shared)
        # Of a single plan, the cell above is the statement, or the list of statements tells it.
        parts.append(f"{one_line(plan.query_text)}\n{said}" if len(trace.plans or ()) > 1 else said)
        parts.extend(what_if.as_text(proof) for proof in trace.proofs or () if proof.plan == number)
        then = [item for item in trace.production or () if item.plan == number]
        parts.extend(production.as_text(item, said=plan.settings) for item in then)
    parts.extend([plan_tree.settings_line(shared)] if shared else [])
    return "\n\n".join(parts)


def _findings_of(diagnosis: Diagnosis, number: int) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.plan == number]


def _target_html(trace: Trace, target_ms: float) -> Html:
    met = trace.duration_ms <= target_ms
    return paragraph(
        join(
            [
                pill("target met" if met else "target missed", "good" if met else "bad"),
                " ",
                _target_text(trace, target_ms),
            ]
        )
    )


def _target_text(trace: Trace, target_ms: float) -> str:
    verdict = "met" if trace.duration_ms <= target_ms else "missed"
    return (
        f"Target {milliseconds(target_ms)}: {verdict}, this run took {milliseconds(trace.duration_ms)} "
        "with the collectors on. %verify times it without them."
    )
