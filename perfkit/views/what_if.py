"""What was tried for a plan: the best first, ready to paste, then every attempt with what it measured."""

from perfkit.model.what_if import Attempt, Proof, ProofVerdict, Runs
from perfkit.model.wording import counted
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._html import (
    MUTED,
    Content,
    Html,
    code_block,
    details,
    join,
    paragraph,
    pill,
    section,
    table,
    tag,
)

_PILLS = {
    ProofVerdict.PROVED: "good",
    ProofVerdict.EXPECTED: "neutral",
    ProofVerdict.NO_HELP: "neutral",
    ProofVerdict.INCONCLUSIVE: "worth it",
    ProofVerdict.REJECTED: "neutral",
}
_HEADERS = ("Tried", "Verdict", "Time", "Blocks", "Size", "Build", "Writes")
_NUMERIC = (2, 3, 4, 5, 6)
_AS_IT_IS = "as it is"


def as_html(proof: Proof) -> Html:
    """The proof as a part of a card.

    Args:
        proof: what was tried, or why nothing was.
    """
    parts: list[Content] = [section("Tried and rolled back" if proof.base else "What would help")]
    if proof.refusal:
        parts.append(paragraph(join([pill("not proved", "neutral"), " ", proof.refusal])))
    if proof.base or not proof.refusal:
        parts.append(_headline_html(proof))
    if proof.base or proof.attempts:
        rows = [_base_row(proof.base)] if proof.base else []
        parts.append(
            table(_HEADERS, [*rows, *(_row(proof.base, item) for item in proof.attempts)], numeric=_NUMERIC)
        )
    parts.extend(paragraph(note, quiet=True) for note in _notes(proof))
    return join(parts)


def as_text(proof: Proof) -> str:
    """The same for a terminal."""
    lines = [f"Not proved: {proof.refusal}"] if proof.refusal else []
    if proof.base or not proof.refusal:
        lines.append(f"Tried and rolled back: {headline(proof)}" if proof.base else headline(proof))
    if proof.best is not None:
        lines.extend(f"    {line}" for line in proof.best.statement.splitlines())
    if proof.base:
        lines.append(_line("", _AS_IT_IS, _measured(proof.base)))
    for item in proof.attempts:
        cells = [_change(proof.base, item.runs), *_costs(item)] if item.runs else []
        lines.append(_line(item.verdict.upper(), item.what, ", ".join(cell for cell in cells if cell)))
        if item.reason:
            lines.append(f"{'':14}{item.reason}")
    return "\n".join([*lines, *_notes(proof)])


def headline(proof: Proof) -> str:
    """What the best attempt does, in one line."""
    best = proof.best
    if best is None or best.runs is None or proof.base is None:
        return "nothing that was tried helps." if proof.base else "Nothing was tried."
    before, after = proof.base.median_ms, best.runs.median_ms
    times = f", {before / after:,.{0 if before / after >= 10 else 1}f} times as fast" if after > 0 else ""
    return f"{milliseconds(before)} → {milliseconds(after)}{times}, with {_kind(best)}{best.what}"


def _kind(attempt: Attempt) -> str:
    return "an index on " if attempt.kind == "index" else ""


def _headline_html(proof: Proof) -> Html:
    if proof.best is None:
        words = headline(proof)
        return paragraph(words[:1].upper() + words[1:])
    title = join([pill("PROVED", "good"), " ", tag("span", headline(proof), "font-weight:600")])
    return join([paragraph(title), code_block(proof.best.statement)])


def _base_row(base: Runs) -> list[Content]:
    return [
        tag("span", _AS_IT_IS, MUTED),
        "",
        milliseconds(base.median_ms),
        f"{base.median_blocks:,}",
        "",
        "",
        "",
    ]


def _row(base: Runs | None, item: Attempt) -> list[Content]:
    runs = item.runs
    return [
        _what(item),
        pill(item.verdict.upper(), _PILLS[item.verdict]),
        milliseconds(runs.median_ms) if runs else "",
        f"{runs.median_blocks:,}" if runs else "",
        megabytes(item.size_bytes) if item.size_bytes is not None else "",
        milliseconds(item.build_ms) if item.build_ms is not None else "",
        f"+{item.write_share:.0%}" if item.write_share is not None else "",
    ]


def _what(item: Attempt) -> Html:
    """What was tried, the reason below it, and its statement to unfold."""
    name = tag("span", item.what, "overflow-wrap:anywhere")
    can_help = item.verdict in (ProofVerdict.PROVED, ProofVerdict.EXPECTED, ProofVerdict.INCONCLUSIVE)
    parts: list[Content] = [details(name, code_block(item.statement)) if can_help else tag("div", name)]
    if item.reason:
        parts.append(tag("div", item.reason, f"font-size:12px;{MUTED}"))
    return join(parts)


def _notes(proof: Proof) -> list[str]:
    """How much data it was tried on comes first: on other sizes other plans win."""
    sizes = [
        f"{table.name} ({'rows not counted' if table.rows < 0 else counted(table.rows, 'row')}, "
        f"{megabytes(table.size_bytes)})"
        for table in proof.tables
    ]
    return [*([f"Tried on {', '.join(sizes)}."] if sizes and proof.base else []), *proof.notes]


def _measured(runs: Runs) -> str:
    return f"{milliseconds(runs.median_ms)}, {counted(runs.median_blocks, 'block')}"


def _change(base: Runs | None, runs: Runs) -> str:
    if base is None:
        return _measured(runs)
    times = f"{milliseconds(base.median_ms)} → {milliseconds(runs.median_ms)}"
    return f"{times}, {base.median_blocks:,} → {counted(runs.median_blocks, 'block')}"


def _costs(item: Attempt) -> list[str]:
    return [
        f"size {megabytes(item.size_bytes)}" if item.size_bytes is not None else "",
        f"built in {milliseconds(item.build_ms)}" if item.build_ms is not None else "",
        f"each new row writes {item.write_share:.0%} more (estimate)" if item.write_share is not None else "",
    ]


def _line(verdict: str, what: str, rest: str) -> str:
    return f"{verdict:<13} {what}" + (f": {rest}" if rest else "")
