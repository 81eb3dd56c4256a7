"""Statements of a block: how many, of how many shapes, from which line, and when."""

import re
from collections.abc import Iterable

from perfkit.model.query import QueryGroup, QuerySpan
from perfkit.model.query_writes import write_verb
from perfkit.model.trace import Trace
from perfkit.model.wording import counted, one_line
from perfkit.views._format import megabytes, milliseconds
from perfkit.views._html import (
    BAR,
    BAR_STRONG,
    MONO,
    Content,
    Html,
    bar,
    code,
    details,
    join,
    paragraph,
    picture,
    table,
    tag,
)
from perfkit.views._sql import sql_html

SHOWN_GROUPS = 20
SHOWN_STATEMENTS = 120
_TEXT_WIDTH = 68
_VALUES_WIDTH = 240
_SHOWN_SETS = 3
_RETURNING = re.compile(r"\bRETURNING\b", re.IGNORECASE)
# Below 1 ms, or 1 % of the block, a wait is the pool's own work and not worth a place in the header.
NOTABLE_WAIT_MS = 1.0
NOTABLE_WAIT_SHARE = 0.01


def summary(trace: Trace) -> str:
    """One line: `101 statements in 2 shapes · 203 round trips · 412 ms of 431 ms in the database`."""
    if trace.queries is None:
        return "statements not measured"
    parts = _own_parts(trace) if trace.queries else ["no statements"]
    if trace.background_count:
        parts.append(f"{trace.background_count:,} more from tasks that ran before the block")
    return " · ".join(parts)


def _own_parts(trace: Trace) -> list[str]:
    groups = trace.query_groups()
    parts = [
        f"{counted(trace.statement_count, 'statement')} in {counted(len(groups), 'shape')}",
        counted(trace.round_trips or 0, "round trip"),
        f"{milliseconds(trace.database_ms)} of {milliseconds(trace.duration_ms)} in the database",
    ]
    waiting_ms = _notable_wait_ms(trace)
    failed = sum(group.failed for group in groups)
    parts.extend([f"{milliseconds(waiting_ms)} waiting for a connection"] if waiting_ms else [])
    parts.extend([f"{failed:,} failed"] if failed else [])
    return parts


def _notable_wait_ms(trace: Trace) -> float:
    """The wait for connections; 0 where it is too short to matter: every loan takes microseconds."""
    waiting_ms = trace.waiting_ms or 0.0
    return waiting_ms if waiting_ms >= max(NOTABLE_WAIT_MS, NOTABLE_WAIT_SHARE * trace.duration_ms) else 0.0


def as_html(trace: Trace) -> Html:
    """The groups, then the time line, then every statement, folded; those of others apart."""
    spans = trace.queries
    if spans is None:
        return Html("")
    if not spans:
        return join([paragraph("No statement was sent.", quiet=True), _background_html(trace)])
    parts = [_groups_html(trace.query_groups()), _timeline(trace)]
    all_or_first = "The first" if trace.more_queries else "All"
    title = f"{all_or_first} {counted(len(spans), 'statement')} in order"
    parts.append(details(title, _statements(spans)))
    return join([*parts, _background_html(trace)])


def _groups_html(groups: tuple[QueryGroup, ...]) -> Html:
    total = sum(group.total_ms for group in groups)
    shown = table(
        ["Count", "Time", "Mean", "Share", "Rows", "Statement", "Sent from"],
        [_group_row(group, total) for group in groups[:SHOWN_GROUPS]],
        numeric=(0, 1, 2, 3, 4),
    )
    if len(groups) <= SHOWN_GROUPS:
        return shown
    left_out = counted(len(groups) - SHOWN_GROUPS, "more shape")
    return join([shown, paragraph(f"{left_out} not shown.", quiet=True)])


def _background_html(trace: Trace) -> Html:
    """What others sent meanwhile, folded."""
    if not trace.background_count:
        return Html("")
    return details(_background_title(trace), _groups_html(trace.background_groups()))


def _background_title(trace: Trace) -> str:
    sent = counted(trace.background_count, "more statement")
    return f"{sent} from tasks and threads that ran before the block: in no count, time or finding"


def as_text(trace: Trace) -> str:
    """The groups for a terminal."""
    if trace.queries is None:
        return ""
    lines = _group_lines(trace.query_groups())
    if trace.background_count:
        lines.extend([f"{_background_title(trace)}:", *_group_lines(trace.background_groups())])
    return "\n".join(lines)


def _group_lines(groups: tuple[QueryGroup, ...]) -> list[str]:
    lines = []
    shown = [(group, _counted_rows(group)) for group in groups[:SHOWN_GROUPS]]
    width = max((len(rows) for _, rows in shown), default=0)
    for group, rows in shown:
        lines.append(
            f"{group.count:>6} x {milliseconds(group.total_ms):>9}  {rows:<{width}}  "
            f"{one_line(group.query_text, _TEXT_WIDTH)}"
        )
        lines.extend(f"{'':>20}{line}" for line in [*_values(group), *_places(group)])
    return lines


def statement_lines(trace: Trace) -> str:
    """Each shape with its count and its lines: what a broken budget shows."""
    lines = []
    for group in sorted(trace.query_groups(), key=lambda group: -group.count):
        lines.append(f"{group.count:>5} x {one_line(group.query_text, _TEXT_WIDTH)}")
        lines.extend(f"        {line}" for line in _places(group))
    return "\n".join(lines)


def _group_row(group: QueryGroup, total_ms: float) -> list[Html | str]:
    relationship = group.relationship
    places = join(tag("div", place) for place in _places(group))
    relation = tag("div", join(["loads ", code(relationship)])) if relationship else ""
    statement: list[Html | str] = [sql_html(group.query_text), relation]
    statement.extend(tag("div", tag("span", text, MONO)) for text in _values(group))
    if group.failed:
        kind = next((span.error_type for span in group.spans if span.error_type), None) or "error"
        statement.append(tag("div", f"{group.failed} failed: {kind}", "font-weight:600"))
    return [
        f"{group.count:,}",
        milliseconds(group.total_ms),
        milliseconds(group.total_ms / group.count),
        bar(group.total_ms / total_ms if total_ms else 0.0, width_px=60),
        _rows(group),
        join(statement),
        places,
    ]


def _rows(sent: QueryGroup | QuerySpan) -> str:
    """Rows, and what they weigh where that is known: `1,000 · ≈ 3.2 MB`; nothing for what never sends any."""
    rows, size = _rows_and_size(sent)
    return " · ".join(part for part in (rows, size) if part)


def _counted_rows(group: QueryGroup) -> str:
    rows, size = _rows_and_size(group)
    noun = "" if not rows else "row " if group.returned_rows == 1 else "rows"
    return " · ".join(part for part in (f"{rows:>8} {noun:4}", size) if part)


def _rows_and_size(sent: QueryGroup | QuerySpan) -> tuple[str, str]:
    if sent.returned_rows is None:
        return "unknown", ""
    one = sent.first if isinstance(sent, QueryGroup) else sent
    if sent.returned_rows == 0 and write_verb(one) and not _RETURNING.search(one.query_text):
        return "", ""
    size = "" if sent.returned_bytes is None else f"≈ {megabytes(sent.returned_bytes)}"
    return f"{sent.returned_rows:,}", size


def _places(group: QueryGroup) -> list[str]:
    """The lines that sent the group, the busiest three, each with the loop around it."""
    counts: dict[tuple[str, str | None], int] = {}
    kept = ((span.call_site, span.loop_site, 1) for span in group.spans)
    rest = ((total.call_site, total.loop_site, total.count) for total in group.totals)
    for call_site, loop_site, count in (*kept, *rest):
        site = call_site.label if call_site else "no line of yours on the stack"
        key = (site, loop_site.label if loop_site else None)
        counts[key] = counts.get(key, 0) + count
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    lines = [f"{site} ({count:,} ×, loop at {loop})" if loop else site for (site, loop), count in ranked[:3]]
    return [*lines, f"and {counted(len(ranked) - 3, 'more place')}"] if len(ranked) > 3 else lines


def _values(group: QueryGroup) -> list[str]:
    """The first parameter values of the group, where they were asked for."""
    sets = list(dict.fromkeys(span.parameters for span in group.spans if span.parameters))
    lines = [f"with {one_line(', '.join(values), _VALUES_WIDTH)}" for values in sets[:_SHOWN_SETS]]
    more = len(sets) - _SHOWN_SETS
    return [*lines, f"and with {counted(more, 'other set')} of values"] if more > 0 else lines


def _statements(spans: tuple[QuerySpan, ...]) -> Html:
    has_values = any(span.parameters is not None for span in spans)
    headers = ["At (ms)", "Time", "Rows", "Statement", *(["Parameters"] if has_values else []), "Sent from"]
    rows = [_statement_row(span, has_values) for span in spans[:SHOWN_STATEMENTS]]
    listed = table(headers, rows, numeric=(0, 1, 2))
    if len(spans) <= SHOWN_STATEMENTS:
        return listed
    rest = f"The first {SHOWN_STATEMENTS} of {len(spans):,}; all of them are in queries_frame()."
    return join([listed, paragraph(rest, quiet=True)])


def _statement_row(span: QuerySpan, has_values: bool) -> list[Content]:
    values = tag("span", one_line(", ".join(span.parameters or ()), _VALUES_WIDTH), MONO)
    return [
        f"{span.start_ms:,.1f}",
        milliseconds(span.duration_ms),
        _rows(span),
        tag("span", one_line(span.query_text, _TEXT_WIDTH), MONO),
        *([values] if has_values else []),
        span.call_site.label if span.call_site else "",
    ]


def _timeline(trace: Trace) -> Html:
    """When the block was in the database, and when it waited for a connection to it."""
    width, height = 1000, 22
    scale = width / max(trace.duration_ms, 1e-9)
    waits = trace.waits() if _notable_wait_ms(trace) else ()
    shapes = _marks(waits, scale, BAR_STRONG) + _marks(trace.database_times(), scale, BAR)
    size = f'viewBox="0 0 {width} {height}" preserveAspectRatio="none"'
    ground = f'<rect x="0" y="4" width="{width}" height="14" fill="#808080" fill-opacity=".15"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{ground}{shapes}</svg>'
    whole = milliseconds(trace.duration_ms)
    share = trace.database_ms / trace.duration_ms if trace.duration_ms else 0.0
    words = f"Time line: the database was busy for {share:.0%} of {whole}."
    caption = [f"0 to {whole}; blue: in the database, {milliseconds(trace.database_ms)} ({share:.0%})"]
    caption.extend([f"orange: waiting for a connection, {milliseconds(trace.waiting_ms)}"] if waits else [])
    caption.append(f"the rest, {milliseconds(trace.python_ms)}, in Python")
    return join(
        [
            tag("div", picture(svg, words, height_px=height), "margin-top:8px"),
            paragraph("; ".join(caption), quiet=True),
        ]
    )


def _marks(times: Iterable[tuple[float, float]], scale: float, colour: str) -> str:
    """One mark for each stretch of time, merged where marks would overlap."""
    marks: list[list[float]] = []
    for start_ms, end_ms in sorted(times):
        left, right = start_ms * scale, max(end_ms * scale, start_ms * scale + 0.6)
        if marks and left <= marks[-1][1]:
            marks[-1][1] = max(marks[-1][1], right)
        else:
            marks.append([left, right])
    return "".join(
        f'<rect x="{left:.1f}" y="4" width="{right - left:.1f}" height="14" fill="{colour}"/>'
        for left, right in marks
    )
