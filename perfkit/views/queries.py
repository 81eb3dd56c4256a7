"""Statements of a block: how many, of how many shapes, from which line, and when."""

from perfkit.model.query import QueryGroup, QuerySpan, busy_ms
from perfkit.model.trace import Trace
from perfkit.views._format import counted, milliseconds
from perfkit.views._html import MONO, Content, Html, bar, code, details, join, paragraph, picture, table, tag
from perfkit.views._sql import sql_html

SHOWN_GROUPS = 20
SHOWN_STATEMENTS = 120
_TEXT_WIDTH = 68


def summary(trace: Trace) -> str:
    """One line: `101 statements in 2 shapes · 203 round trips · 412 ms of 431 ms in the database`."""
    if trace.queries is None:
        return "statements not measured"
    spans = trace.queries
    if not spans:
        return "no statements"
    groups = trace.query_groups()
    parts = [
        f"{counted(trace.statement_count, 'statement')} in {counted(len(groups), 'shape')}",
        counted(trace.round_trips or 0, "round trip"),
        f"{milliseconds(trace.database_ms)} of {milliseconds(trace.duration_ms)} in the database",
    ]
    failed = sum(group.failed for group in groups)
    return " · ".join([*parts, f"{failed} failed"] if failed else parts)


def as_html(trace: Trace) -> Html:
    """The groups, then the time line, then every statement, folded."""
    spans = trace.queries
    if not spans:
        return paragraph("No statement was sent.", quiet=True) if spans == () else Html("")
    groups = trace.query_groups()
    total = sum(group.total_ms for group in groups)
    parts = [
        table(
            ["Count", "Time", "Mean", "Share", "Rows", "Statement", "Sent from"],
            [_group_row(group, total) for group in groups[:SHOWN_GROUPS]],
            numeric=(0, 1, 2, 3, 4),
        )
    ]
    if len(groups) > SHOWN_GROUPS:
        parts.append(paragraph(f"{len(groups) - SHOWN_GROUPS} more shapes are not shown.", quiet=True))
    parts.append(_timeline(trace, spans))
    all_or_first = "The first" if trace.more_queries else "All"
    title = f"{all_or_first} {counted(len(spans), 'statement')} in order"
    parts.append(details(title, _statements(spans)))
    return join(parts)


def as_text(trace: Trace) -> str:
    """The groups for a terminal."""
    if trace.queries is None:
        return ""
    lines = []
    for group in trace.query_groups()[:SHOWN_GROUPS]:
        lines.append(
            f"{group.count:>6} x {milliseconds(group.total_ms):>9}  {_rows(group):>8} rows  "
            f"{_shortened(group.query_text)}"
        )
        lines.extend(f"{'':>20}{line}" for line in _places(group))
    return "\n".join(lines)


def statement_lines(trace: Trace) -> str:
    """Each shape with its count and its lines: what a broken budget shows."""
    lines = []
    for group in sorted(trace.query_groups(), key=lambda group: -group.count):
        lines.append(f"{group.count:>5} x {_shortened(group.query_text)}")
        lines.extend(f"        {line}" for line in _places(group))
    return "\n".join(lines)


def _group_row(group: QueryGroup, total_ms: float) -> list[Html | str]:
    relationship = group.relationship
    places = join(tag("div", place) for place in _places(group))
    relation = tag("div", join(["loads ", code(relationship)])) if relationship else ""
    statement: list[Html | str] = [sql_html(group.query_text), relation]
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


def _rows(group: QueryGroup) -> str:
    rows = group.returned_rows
    return "unknown" if rows is None else f"{rows:,}"


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
    return [*lines, f"and {len(ranked) - 3} more places"] if len(ranked) > 3 else lines


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_WIDTH else text[: _TEXT_WIDTH - 1] + "…"


def _statements(spans: tuple[QuerySpan, ...]) -> Html:
    rows: list[list[Content]] = [
        [
            f"{span.start_ms:,.1f}",
            milliseconds(span.duration_ms),
            "unknown" if span.returned_rows is None else f"{span.returned_rows:,}",
            tag("span", _shortened(span.query_text), MONO),
            span.call_site.label if span.call_site else "",
        ]
        for span in spans[:SHOWN_STATEMENTS]
    ]
    listed = table(["At (ms)", "Time", "Rows", "Statement", "Sent from"], rows, numeric=(0, 1, 2))
    if len(spans) <= SHOWN_STATEMENTS:
        return listed
    rest = f"The first {SHOWN_STATEMENTS} of {len(spans):,}; all of them are in queries_frame()."
    return join([listed, paragraph(rest, quiet=True)])


def _timeline(trace: Trace, spans: tuple[QuerySpan, ...]) -> Html:
    """When the statements ran within the block, one mark each, merged where marks would overlap."""
    width, height = 1000, 22
    scale = width / max(trace.duration_ms, 1e-9)
    marks: list[list[float]] = []
    for span in sorted(spans, key=lambda span: span.start_ms):
        left, right = span.start_ms * scale, max(span.end_ms * scale, span.start_ms * scale + 0.6)
        if marks and left <= marks[-1][1]:
            marks[-1][1] = max(marks[-1][1], right)
        else:
            marks.append([left, right])
    shapes = "".join(
        f'<rect x="{left:.1f}" y="4" width="{right - left:.1f}" height="14" fill="#3f7fbf"/>'
        for left, right in marks
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">'
        f'<rect x="0" y="4" width="{width}" height="14" fill="#808080" fill-opacity=".15"/>{shapes}</svg>'
    )
    share = busy_ms(spans) / trace.duration_ms if trace.duration_ms else 0.0
    words = f"Time line: the database was busy for {share:.0%} of {milliseconds(trace.duration_ms)}."
    caption = (
        f"0 to {milliseconds(trace.duration_ms)}; blue: a statement was under way ({share:.0%} of the time)"
    )
    return join([tag("div", picture(svg, words), "margin-top:8px"), paragraph(caption, quiet=True)])
