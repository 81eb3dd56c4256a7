"""Findings: the cause, the line, the evidence, the fix, and what would refute it."""

from perfkit.model.finding import Diagnosis, Finding
from perfkit.model.location import CodeLocation
from perfkit.model.wording import counted
from perfkit.views._format import milliseconds
from perfkit.views._html import Html, code, code_block, details, join, paragraph, pill, tag

# What one round trip costs between two machines of one data centre; a local socket hides it.
NETWORK_ROUND_TRIP_MS = 1.0
# So many names of rules are read; eighty are not.
_NAMED = 5


def as_html(findings: tuple[Finding, ...]) -> Html:
    """All findings, worst first; nothing at all where there are none."""
    return join(_finding_html(finding) for finding in findings)


def as_text(findings: tuple[Finding, ...]) -> str:
    """The same for a terminal."""
    return "\n".join(_finding_text(finding) for finding in findings)


def silence_html(diagnosis: Diagnosis) -> Html:
    """What to say where nothing was found: what was looked for, and what could not be judged."""
    text = _silence(diagnosis)
    return paragraph(text, quiet=True) if text else Html("")


def silence_text(diagnosis: Diagnosis) -> str:
    """The same for a terminal."""
    return _silence(diagnosis)


def cost_over_network(finding: Finding) -> str | None:
    """What the finding costs at 1 ms a round trip, where round trips are what it costs."""
    if finding.round_trips < 1:
        return None
    cost = milliseconds(finding.round_trips * NETWORK_ROUND_TRIP_MS)
    trips = counted(finding.round_trips, "needless round trip")
    return f"{trips}, which is {cost} at 1 ms each"


def _silence(diagnosis: Diagnosis) -> str:
    if not diagnosis.results:
        return ""
    judged = len(diagnosis.results) - len(diagnosis.not_measured)
    text = f"No finding. {counted(judged, 'rule')} looked at this block."
    if diagnosis.not_measured:
        number, names = len(diagnosis.not_measured), ", ".join(diagnosis.not_measured[:_NAMED])
        which = names if number <= _NAMED else f"{number} rules, such as {names}"
        text += f" Not measured here, so not judged: {which}."
    return text


def _finding_html(finding: Finding) -> Html:
    title = join(
        [pill(finding.severity, finding.severity), tag("span", finding.message, "font-weight:600")], " "
    )
    code_tag = tag("span", f"{finding.code} {finding.rule}", "opacity:.72;margin-left:8px;font-size:11.5px")
    rows = [
        *(_place(label.capitalize(), place) for label, place in _places(finding)),
        _fact("Saves", _saving(finding)),
    ]
    advice, _, snippet = finding.advice.partition("\n")
    parts = [tag("div", join([title, code_tag]), "margin-bottom:2px"), *rows]
    parts.append(tag("div", join([tag("strong", "Next: "), advice]), "margin-top:2px"))
    if snippet:
        parts.append(code_block(snippet))
    doubt = [paragraph(finding.refutation), *(paragraph(line) for line in finding.evidence)]
    parts.append(details("Why this is no false alarm, and what would refute it", join(doubt)))
    edge = {"fix now": "#b42318", "worth it": "#9a5b00", "info": "#3f5f8a"}[finding.severity]
    return tag("div", join(parts), f"border-left:4px solid {edge};padding:4px 0 2px 12px;margin:10px 0")


def _places(finding: Finding) -> tuple[tuple[str, CodeLocation | None], ...]:
    return (
        ("line", finding.location),
        ("loop", finding.loop),
        ("inside", finding.outer_loop),
        ("fix at", finding.cause),
    )


def _place(label: str, location: CodeLocation | None) -> Html:
    if location is None:
        return Html("")
    text: list[Html | str] = [location.label]
    if location.source_text:
        text.append(code(location.source_text))
    return _fact(label, join(text, " &nbsp;"))


def _fact(label: str, content: Html | str | None) -> Html:
    """A labelled line; where it wraps, it goes on below the content, not below the label."""
    if not content:
        return Html("")
    name = tag("span", label, "display:inline-block;min-width:56px;text-indent:0;opacity:.72")
    return tag("div", join([name, content]), "padding-left:56px;text-indent:-56px")


def _saving(finding: Finding) -> str | None:
    parts = [cost_over_network(finding)]
    if finding.saving_ms is not None:
        parts.insert(0, f"about {milliseconds(finding.saving_ms)} here")
    return "; ".join(part for part in parts if part) or None


def _finding_text(finding: Finding) -> str:
    lines = [f"[{finding.severity}] {finding.message}  ({finding.code} {finding.rule})"]
    for label, place in _places(finding):
        if place:
            source = f"    {place.source_text}" if place.source_text else ""
            lines.append(f"    {label:7}{place.label}{source}")
    saving = _saving(finding)
    if saving:
        lines.append(f"    saves  {saving}")
    lines.append("    next   " + finding.advice.replace("\n", "\n           "))
    return "\n".join(lines)
