"""The proof of a fix in plain words: what was proved first, then the numbers it rests on."""

from perfkit.model.verification import CounterChange, Outcome, TargetResult, TimingComparison, Verification
from perfkit.model.wording import counted
from perfkit.views._format import megabytes, milliseconds, precise_milliseconds
from perfkit.views._html import (
    Content,
    Html,
    card,
    details,
    heading,
    join,
    paragraph,
    pill,
    section,
    table,
    tag,
)
from perfkit.views.strip import strip

_PILLS = {
    Outcome.FASTER: "good",
    Outcome.SLOWER: "bad",
    Outcome.SAME: "neutral",
    Outcome.UNRESOLVED: "neutral",
    Outcome.NOT_EQUIVALENT: "bad",
}
_MANY_TIMES = 1.5
"""From here on "2.1 times" reads better than a percentage."""
_SHORT_MS = 0.1
"""Below, two decimals of a millisecond are one digit or none."""
_LEAST_SHOWN_P = 0.0001
_TIME_MEANS_NOTHING = "Times, which say nothing while the results differ"


def headline(verification: Verification) -> str:
    """What was proved, in one line without the outcome's name.

    Args:
        verification: what was found out.

    Returns:
        For example `4.52 s → 43 ms, 105 times as fast; same result; 101 statements → 1; target 200 ms met`.
        Where the results differ, that alone, and no time.
    """
    if verification.outcome is Outcome.NOT_EQUIVALENT:
        return verification.equivalence.reason
    parts = [
        _times(verification.timing) if verification.timing else "not timed",
        "same result" if verification.equivalence.equal else "result not certified",
        *_statements(verification.counters),
        *_target_words(verification),
    ]
    return "; ".join(parts)


def as_text(verification: Verification) -> str:
    """The whole proof for a terminal.

    Args:
        verification: what was found out.

    Returns:
        Lines without a trailing line break.
    """
    timed = _timing_sentences(verification.timing) if verification.timing else []
    if timed and verification.outcome is Outcome.NOT_EQUIVALENT:
        timed = [f"{_TIME_MEANS_NOTHING}:", *timed]
    lines = [
        f"{verification.outcome.upper()}: {headline(verification)}",
        "",
        *_labelled("result", [verification.equivalence.reason]),
        *_labelled("counted", _counter_lines(verification.counters)),
        *_labelled("time", timed or verification.not_timed.splitlines()),
        *_labelled("target", _target_lines(verification)),
        *_labelled("notes", list(verification.notes)),
    ]
    return "\n".join(lines)


def as_html(verification: Verification) -> Html:
    """The whole proof as one card.

    Args:
        verification: what was found out.

    Returns:
        Markup; the times are folded at the end where the results differ.
    """
    differs = verification.outcome is Outcome.NOT_EQUIVALENT
    title = join(
        [pill(verification.outcome.upper(), _PILLS[verification.outcome]), " ", headline(verification)]
    )
    parts: list[Content] = [heading(title)]
    if not differs:
        parts.append(paragraph(_sentence(verification.equivalence.reason)))
    if verification.counters:
        parts.extend([section("Counted exactly"), _counters(verification.counters)])
    if verification.timing:
        timing = _timing(verification.timing)
        parts.append(details(_TIME_MEANS_NOTHING, timing) if differs else join([section("Time"), timing]))
    elif verification.not_timed:
        parts.extend([section("Time"), *map(paragraph, verification.not_timed.splitlines())])
    if verification.target and not differs:
        parts.extend([section("Target"), _target(verification.target)])
    if verification.notes:
        parts.append(section("Notes"))
        parts.extend(paragraph(note, quiet=True) for note in verification.notes)
    return card(*parts)


def _times(timing: TimingComparison) -> str:
    medians = " → ".join(_medians(timing))
    if timing.ratio is None:
        return "no pair of runs fitted into the budget"
    if timing.outcome is Outcome.UNRESOLVED:
        return f"{medians}, but {counted(timing.pairs, 'pair')} of runs cannot decide it"
    if timing.outcome is Outcome.SAME:
        return f"{medians}, the same within 5%"
    return f"{medians}, {_factor(timing.ratio)}"


def _medians(timing: TimingComparison) -> list[str]:
    """Before and after, with more digits for very short times, and where a difference would not be seen."""
    medians = (timing.before_median_ms, timing.after_median_ms)
    shown = [milliseconds(value) for value in medians]
    is_short = any(value is not None and value < _SHORT_MS for value in medians)
    if is_short or (shown[0] == shown[1] and timing.outcome in (Outcome.FASTER, Outcome.SLOWER)):
        return [precise_milliseconds(value) for value in medians]
    return shown


def _factor(ratio: float) -> str:
    factor = 1 / ratio if ratio < 1 else ratio
    if factor < _MANY_TIMES:
        return f"{abs(1 - ratio):.0%} {'less' if ratio < 1 else 'more'} time"
    shown = f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"
    return f"{shown} times as {'fast' if ratio < 1 else 'slow'}"


def _statements(counters: tuple[CounterChange, ...]) -> list[str]:
    for change in counters:
        if change.name != "statements" or change.before is None or change.after is None:
            continue
        if change.before or change.after:
            before = counted(change.before, "statement")
            return [before if change.before == change.after else f"{before} → {change.after:,}"]
    return []


def _target_words(verification: Verification) -> list[str]:
    target = verification.target
    if target is None:
        return []
    word = {True: "met", False: "missed", None: "neither met nor missed for certain"}[target.met]
    return [f"target {milliseconds(target.target_ms)} {word}"]


def _values(change: CounterChange) -> tuple[str, str]:
    before, after = (
        "unknown" if value is None else megabytes(value) if change.unit == "bytes" else f"{value:,}"
        for value in (change.before, change.after)
    )
    return before, after


def _labelled(label: str, lines: list[str]) -> list[str]:
    return [f"  {label if index == 0 else '':<9} {line}" for index, line in enumerate(lines)]


def _counter_lines(counters: tuple[CounterChange, ...]) -> list[str]:
    shown, absent = _occurring(counters)
    rows = [(change.name, *_values(change)) for change in shown]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = [
        f"{name:<{widths[0]}}  {before:>{widths[1]}} → {after:>{widths[2]}}" for name, before, after in rows
    ]
    return [*lines, absent] if absent else lines


def _occurring(counters: tuple[CounterChange, ...]) -> tuple[list[CounterChange], str]:
    """The counters that are not zero on both sides, and a phrase that names those that are."""
    zero = [change.name for change in counters if change.before == change.after == 0]
    shown = [change for change in counters if change.name not in zero]
    return shown, f"none on either side: {', '.join(zero)}" if zero else ""


def _counters(counters: tuple[CounterChange, ...]) -> Html:
    """Changed counters stand out; unchanged ones stay, because nothing may have moved elsewhere."""
    shown, absent = _occurring(counters)
    rows: list[list[Content]] = []
    for change in shown:
        style = "font-weight:600" if change.before != change.after else "opacity:.72"
        rows.append([tag("span", text, style) for text in (change.name, *_values(change))])
    listed = tag("div", table(["Counter", "Before", "After"], rows, numeric=(1, 2)), "max-width:420px")
    return join([listed, paragraph(_sentence(absent), quiet=True) if absent else ""])


def _timing_sentences(timing: TimingComparison) -> list[str]:
    if timing.ratio is None:
        return [timing.note] if timing.note else []
    runs = f"{counted(len(timing.before_ms), 'run')} before, {len(timing.after_ms)} after, in random turns"
    before, after = _medians(timing)
    sentences = [f"median {before} before, {after} after ({runs})", _interval(timing)]
    return [*sentences, timing.note] if timing.note else sentences


def _interval(timing: TimingComparison) -> str:
    share = f"after takes {_share(timing.ratio or 0.0)} of the time before"
    if timing.ci_low is None or timing.ci_high is None or timing.p_value is None:
        return f"{share}, with too few runs for an interval"
    bounds = f"99% interval {_share(timing.ci_low)} to {_share(timing.ci_high)}"
    p_value = timing.p_value
    chance = f"p < {_LEAST_SHOWN_P}" if p_value < _LEAST_SHOWN_P else f"p = {p_value:.4f}"
    return f"{share} ({bounds}; Mann-Whitney {chance}, {counted(timing.looks, 'look')})"


def _share(ratio: float) -> str:
    return f"{ratio:.1%}" if ratio < 0.1 else f"{ratio:.0%}"


def _timing(timing: TimingComparison) -> Html:
    sentences = [paragraph(_sentence(text)) for text in _timing_sentences(timing)]
    return join([strip(timing.before_ms, timing.after_ms), *sentences])


def _target_lines(verification: Verification) -> list[str]:
    target = verification.target
    if target is None or verification.outcome is Outcome.NOT_EQUIVALENT:
        return []
    return f"{milliseconds(target.target_ms)} {target.sentence}".split("; ")


def _target(target: TargetResult) -> Html:
    kind = {True: "good", False: "bad", None: "neutral"}[target.met]
    label = {True: "MET", False: "MISSED", None: "CANNOT SAY"}[target.met]
    aim = f" {milliseconds(target.target_ms)}: "
    reason, *remarks = target.sentence.partition(": ")[2].split("; ")
    said = paragraph(join([pill(label, kind), aim, f"{reason}."]))
    return join([said, *(paragraph(_sentence(remark), quiet=True) for remark in remarks)])


def _sentence(text: str) -> str:
    """A phrase as a sentence: capital letter in front, full stop behind."""
    return text[:1].upper() + text[1:].rstrip(".") + "."
