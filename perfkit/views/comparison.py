"""Two measured blocks side by side: what was counted, what came and went, where time and memory are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from perfkit.model.cpu import CpuProfile
from perfkit.model.query import QueryGroup
from perfkit.model.trace import Trace
from perfkit.model.verification import counter_changes
from perfkit.model.wording import counted, one_line
from perfkit.views import plan_comparison, profile_diff
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._functions import function_name, place
from perfkit.views._html import (
    Content,
    Html,
    card,
    code,
    details,
    heading,
    join,
    paragraph,
    section,
    table,
    tag,
)
from perfkit.views._sql import sql_html
from perfkit.views._text_table import aligned

SHOWN_SHAPES = 20
SHOWN_FUNCTIONS = 5
_CAVEAT = f"Times include the measuring. {plan_comparison.ONE_RUN}"

Change = Literal["vanished", "appeared", "count changed", "same count"]
_ORDER: tuple[Change, ...] = ("vanished", "appeared", "count changed", "same count")


@dataclass(frozen=True, slots=True)
class _Shape:
    text: str
    before: QueryGroup | None
    after: QueryGroup | None

    @property
    def counts(self) -> tuple[int, int]:
        return (self.before.count if self.before else 0), (self.after.count if self.after else 0)

    @property
    def change(self) -> Change:
        before, after = self.counts
        if not after:
            return "vanished"
        if not before:
            return "appeared"
        return "same count" if before == after else "count changed"


def rows(before: Trace, after: Trace) -> list[dict[str, object]]:
    """Every quantity that both blocks measured, for a DataFrame.

    Args:
        before: the block as it was.
        after: the same block with the fix.

    Returns:
        Rows with `measure`, `unit` (empty for a count), `before` and `after`; `None` is unknown.
    """
    found: list[tuple[str, str, float | None, float | None]] = [
        (change.name, change.unit, change.before, change.after) for change in counter_changes(before, after)
    ]
    if not _are_plans_alone(before, after):
        found.append(("time", "ms", before.duration_ms, after.duration_ms))
    if before.queries is not None and after.queries is not None:
        found.append(("time in the database", "ms", before.database_ms, after.database_ms))
    if before.cpu and after.cpu:
        found.append(("CPU time", "ms", before.cpu.cpu_ms, after.cpu.cpu_ms))
    if before.memory and after.memory:
        old, new = before.memory, after.memory
        found.append(("peak memory", "bytes", old.peak_bytes, new.peak_bytes))
        rise = old.peak_bytes - old.baseline_bytes, new.peak_bytes - new.baseline_bytes
        found.append(("peak above the start", "bytes", *rise))
        if old.traced_peak_bytes is not None and new.traced_peak_bytes is not None:
            found.append(
                ("peak that Python asked for", "bytes", old.traced_peak_bytes, new.traced_peak_bytes)
            )
    return [dict(zip(("measure", "unit", "before", "after"), row, strict=True)) for row in found]


def _are_plans_alone(before: Trace, after: Trace) -> bool:
    """Whether nothing was measured but plans: the blocks' time is then perfkit's own."""
    return all(
        trace.plans is not None and trace.queries is None and trace.cpu is None and trace.memory is None
        for trace in (before, after)
    )


def as_text(before: Trace, after: Trace) -> str:
    """Both blocks side by side for a terminal.

    Args:
        before: the block as it was.
        after: the same block with the fix.

    Returns:
        Lines without a trailing line break.
    """
    cells = [(f"{row['measure']}", *_shown(row)) for row in _occurring(before, after)]
    lines = [f"{before.name} → {after.name}"]
    if cells:
        lines += ["", *_indented([("", "before", "after"), *cells])]
    lines += [f"  {remark}" for remark in _remarks(before, after)]
    for change, shapes in _by_change(before, after):
        lines += ["", f"Statements, {change}:"]
        for shape in shapes[:SHOWN_SHAPES]:
            old, new = shape.counts
            lines.append(f"{old:>7,} → {new:<7,} {one_line(shape.text)}")
        lines += [f"        {note}" for note in _left_out(shapes)]
    if before.cpu and after.cpu:
        functions = _functions(before.cpu, after.cpu)
        lines += ["", "Functions by their own time:"]
        lines += _indented(
            [(f"{name}  {where}  {calls}".rstrip(), old, new) for name, where, calls, old, new in functions]
        )
    if before.plans and after.plans:
        lines += ["", "Query plans:", plan_comparison.as_text(before.plans, after.plans)]
    return "\n".join([*lines, "", *_caveats(before, after)]).rstrip()


def as_html(before: Trace, after: Trace) -> Html:
    """Both blocks side by side as one card.

    Args:
        before: the block as it was.
        after: the same block with the fix.

    Returns:
        Markup; statements that did not change are folded.
    """
    parts: list[Content] = [
        heading(f"{before.name} → {after.name}"),
        _quantities(before, after),
        *(paragraph(remark) for remark in _remarks(before, after)),
    ]
    for change, shapes in _by_change(before, after):
        title, body = f"Statements, {change}: {counted(len(shapes), 'shape')}", _shapes(shapes)
        parts.append(details(title, body) if change == "same count" else join([section(title), body]))
    if before.cpu and after.cpu:
        functions: list[list[Content]] = [
            [code(name), *cells] for name, *cells in _functions(before.cpu, after.cpu)
        ]
        parts.append(section("Functions by their own time"))
        parts.append(table(["Function", "Where", "Calls", "Before", "After"], functions, numeric=(2, 3, 4)))
    if before.plans and after.plans:
        parts += [section("Query plans"), plan_comparison.as_html(before.plans, after.plans)]
    return card(*parts, *(paragraph(caveat, quiet=True) for caveat in _caveats(before, after)))


def _caveats(before: Trace, after: Trace) -> tuple[str, ...]:
    if _are_plans_alone(before, after):
        return plan_comparison.caveats(before.plans or (), after.plans or ())
    return (_CAVEAT,)


def _quantities(before: Trace, after: Trace) -> Html:
    body: list[list[Content]] = []
    for row in _occurring(before, after):
        style = "font-weight:600" if row["before"] != row["after"] else "opacity:.72"
        body.append([tag("span", text, style) for text in (f"{row['measure']}", *_shown(row))])
    if not body:
        return Html("")
    return tag("div", table(["Measured", "Before", "After"], body, numeric=(1, 2)), "max-width:480px")


def _remarks(before: Trace, after: Trace) -> list[str]:
    sides = (("before", before), ("after", after))
    remarks = [f"The block {side} ended with {trace.error}." for side, trace in sides if trace.error]
    unmeasured = [side for side, trace in sides if trace.queries is None]
    if unmeasured and not (before.plans and after.plans):
        remarks.append(f"Statements were not measured {' and '.join(unmeasured)}.")
    return remarks


def _occurring(before: Trace, after: Trace) -> list[dict[str, object]]:
    """What is zero on both sides is not worth a line."""
    return [row for row in rows(before, after) if not row["before"] == row["after"] == 0]


def _shown(row: dict[str, object]) -> tuple[str, str]:
    old, new = (_quantity(row[side], f"{row['unit']}") for side in ("before", "after"))
    return old, new


def _quantity(value: object, unit: str) -> str:
    if not isinstance(value, int | float):
        return "unknown"
    return {"ms": milliseconds, "bytes": megabytes}.get(unit, "{:,}".format)(value)


def _by_change(before: Trace, after: Trace) -> list[tuple[Change, list[_Shape]]]:
    """Shapes by what became of them, those with the most statements first; only kinds that occur."""
    if before.queries is None or after.queries is None:
        return []
    old = {group.fingerprint: group for group in before.query_groups()}
    new = {group.fingerprint: group for group in after.query_groups()}
    shapes = [
        _Shape((old.get(key) or new[key]).query_text, old.get(key), new.get(key))
        for key in dict.fromkeys([*old, *new])
    ]
    shapes.sort(key=lambda shape: -max(shape.counts))
    found = [(change, [shape for shape in shapes if shape.change == change]) for change in _ORDER]
    return [(change, members) for change, members in found if members]


def _shapes(shapes: Sequence[_Shape]) -> Html:
    body: list[list[Content]] = [
        [
            sql_html(shape.text),
            *(f"{count:,}" for count in shape.counts),
            _group_time(shape.before),
            _group_time(shape.after),
        ]
        for shape in shapes[:SHOWN_SHAPES]
    ]
    headers = ["Statement", "Before", "After", "Time before", "Time after"]
    return join(
        [
            table(headers, body, numeric=(1, 2, 3, 4)),
            *(paragraph(note, quiet=True) for note in _left_out(shapes)),
        ]
    )


def _group_time(group: QueryGroup | None) -> str:
    return milliseconds(group.total_ms) if group else ""


def _left_out(shapes: Sequence[_Shape]) -> list[str]:
    hidden = len(shapes) - SHOWN_SHAPES
    return [f"{counted(hidden, 'more shape')} not shown."] if hidden > 0 else []


def _functions(before: CpuProfile, after: CpuProfile) -> list[tuple[str, str, str, str, str]]:
    """The functions with the most time of their own on either side: name, place, calls, time on each side."""
    found = profile_diff.changes(before, after)
    top = {
        id(change)
        for own_s in (profile_diff.own_before_s, profile_diff.own_after_s)
        for change in sorted(found, key=lambda change: -own_s(change))[:SHOWN_FUNCTIONS]
    }
    ranked = [change for change in found if id(change) in top]
    ranked.sort(key=lambda c: -max(profile_diff.own_before_s(c), profile_diff.own_after_s(c)))
    has_calls = before.counts == after.counts == "calls"
    return [
        (
            function_name(change.function),
            place(change.function),
            profile_diff.calls_text(change) if has_calls else "",
            profile_diff.side_text(change.before, before),
            profile_diff.side_text(change.after, after),
        )
        for change in ranked
    ]


def _indented(lines: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"  {line}" for line in aligned(lines, numeric=(1, 2))]
