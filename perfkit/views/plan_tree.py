"""A query plan as a tree: where the time went, what was expected, and the finding beside its node."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_shape import cut_short
from perfkit.views import _plan_words as words
from perfkit.views._format import counted, milliseconds
from perfkit.views._html import (
    LINE,
    MONO,
    MUTED,
    Html,
    bar,
    code,
    css,
    esc,
    join,
    paragraph,
    pill,
    tag,
    tiles,
)
from perfkit.views._sql import sql_html

_INDENT_PX = 14
# Deeper levels stay at this one: the tree must not push its own text off the page.
_MAX_INDENT = 14
_TEXT_INDENT = 30
_NOT_EXECUTED = "never executed"


def as_html(plan: Plan, findings: Sequence[Finding] = ()) -> Html:
    """The plan as a tree that needs no script.

    Args:
        plan: what the database said.
        findings: judgements about this plan; each is shown beside the nodes that it names.
    """
    by_node: dict[int, list[Finding]] = {}
    for finding in findings:
        for node_id in finding.offenders[:1]:
            by_node.setdefault(node_id, []).append(finding)
    parts = [
        tag("div", sql_html(plan.query_text), "margin:0 0 6px") if plan.query_text else "",
        _origin(plan),
        tiles(_header(plan)),
        _tree(plan, by_node),
        *(paragraph(line, quiet=True) for line in _remarks(plan)),
    ]
    return tag("div", join(parts), "margin:10px 0 16px")


def as_text(plan: Plan) -> str:
    """The same for a terminal: one line a node, its own time first."""
    head = " · ".join(f"{label} {value}" for value, label in _header(plan))
    lines = [head, f"{'self':>9} {'share':>6} {'rows':>11} {'expected':>11} {'loops':>7}  node"]
    cut = cut_short(plan)
    for node, depth in words.depths(plan):
        lines.append(f"{_numbers(node, plan)}  {'  ' * min(depth, _TEXT_INDENT)}{_text_title(node, cut)}")
        indent = " " * 49 + "  " * (min(depth, _TEXT_INDENT) + 1)
        lines.extend(f"{indent}{remark}" for remark in [*words.conditions(node), *words.spills(node)])
    return "\n".join([*lines, *_remarks(plan)])


def rows(plan: Plan) -> list[dict[str, object]]:
    """One row a node for a DataFrame, in reading order; units stand in the names.

    Args:
        plan: what the database said.

    Returns:
        Plain values. Rows and expected rows are over all loops; times are `None` where not measured.
    """
    return [
        {
            "node_id": node.node_id,
            "depth": depth,
            "node": words.title(node),
            "subplan_name": node.subplan_name,
            "relation_name": node.relation_name,
            "index_name": node.index_name,
            "self_time_ms": node.self_time_ms,
            "total_time_ms": node.total_time_ms,
            "busy_time_ms": node.busy_time_ms,
            "rounding_ms": node.rounding_ms,
            "share": words.share(node, plan),
            "rows": node.total_rows,
            "expected_rows": words.expected_rows(node),
            "row_estimate_factor": node.row_estimate_factor,
            "loops": node.actual_loops,
            "rows_removed_by_filter": node.total_rows_removed,
            "self_shared_blocks": node.self_buffers.shared,
            "self_temp_written_blocks": node.self_buffers.temp_written,
            "total_cost": node.total_cost,
            "conditions": "; ".join(words.conditions(node)),
        }
        for node, depth in words.depths(plan)
    ]


def _origin(plan: Plan) -> Html:
    pieces: list[Html | str] = []
    if plan.call_site is not None:
        pieces.append(plan.call_site.label)
        if plan.call_site.source_text:
            pieces.append(code(plan.call_site.source_text))
    if plan.executions > 1:
        pieces.append(f"sent {counted(plan.executions, 'time')}")
    return tag("div", join(pieces, " · "), f"margin:0 0 6px;{MUTED}") if pieces else Html("")


def _header(plan: Plan) -> list[tuple[str, str]]:
    pairs = []
    if plan.duration_ms is not None:
        pairs.append((milliseconds(plan.duration_ms), "execution"))
    if plan.planning_time_ms is not None:
        pairs.append((milliseconds(plan.planning_time_ms), "planning"))
    if plan.analyzed and plan.root.total_rows is not None:
        pairs.append((words.count(plan.root.total_rows), "rows returned"))
    if plan.root.buffers.shared:
        pairs.append(
            (words.blocks(plan.root.buffers.shared), "read, mostly from cache" if _cached(plan) else "read")
        )
    if not plan.analyzed:
        pairs.append(("not measured", "execution"))
    return pairs


def _cached(plan: Plan) -> bool:
    return plan.root.buffers.shared_hit > plan.root.buffers.shared_read


def _tree(plan: Plan, findings: Mapping[int, list[Finding]]) -> Html:
    measured = plan.root.self_time_ms is not None
    names = ("Node", "Own time" if measured else "Cost", "Rows", "Loops", "Read")
    cut = cut_short(plan)
    table = [
        _contents(node, depth, plan, findings.get(node.node_id, ()), cut)
        for node, depth in words.depths(plan)
    ]
    # A column in which nothing stands only takes room from the conditions.
    used = [i for i in range(len(names)) if any(esc(row[i]) for row in table)]
    head = join(_cell("th", names[i], i) for i in used)
    body = join(
        tag("tr", join(_cell("td", row[i], i) for i in used), "background:transparent") for row in table
    )
    style = "border-collapse:collapse;width:100%;font-size:12.5px;color:inherit;margin:4px 0"
    parts = [tag("thead", tag("tr", head, "background:transparent")), tag("tbody", body)]
    return tag("div", tag("table", join(parts), style), "overflow-x:auto")


def _contents(
    node: PlanNode, depth: int, plan: Plan, findings: Sequence[Finding], cut: frozenset[int]
) -> tuple[Html | str, ...]:
    return (
        _node(node, depth, findings),
        _own_time(node, plan),
        _row_numbers(node, cut),
        f"{node.actual_loops:,}" if node.actual_loops else "",
        words.blocks(node.self_buffers.shared),
    )


def _cell(name: str, content: Html | str, column: int) -> Html:
    """Only the first column breaks its lines: it holds the text, the others hold numbers."""
    style = css(
        f"text-align:{'right' if column > 1 else 'left'};vertical-align:top",
        f"padding:4px {'0 4px 8px' if column else '8px 4px 0'};border-bottom:1px solid {LINE}",
    )
    return tag(name, content, style + (";white-space:nowrap" if column else ""))


def _node(node: PlanNode, depth: int, findings: Iterable[Finding]) -> Html:
    name: list[Html | str] = [tag("strong", words.title(node))]
    if node.subplan_name:
        name.append(pill(words.short(node.subplan_name, 40)))
    if node.executed is False:
        name.append(tag("span", _NOT_EXECUTED, MUTED))
    name.extend(pill(spill, "bad") for spill in words.spills(node))
    lines = [_fold(join(name, " "), node)]
    lines.extend(
        tag("div", text, f"{MONO};font-size:11.5px;overflow-wrap:anywhere") for text in words.conditions(node)
    )
    lines.extend(_beside(finding) for finding in findings)
    indent = min(depth, _MAX_INDENT) * _INDENT_PX
    return tag("div", join(lines), f"margin-left:{indent}px;{MUTED if node.executed is False else ''}")


def _fold(name: Html, node: PlanNode) -> Html:
    text = "\n".join(_facts(node))
    if not text:
        return tag("div", name)
    style = f"{MONO};font-size:11px;line-height:1.4;white-space:pre-wrap;overflow-wrap:anywhere;margin:2px 0"
    body = tag("pre", text, f"{style};background:transparent;color:inherit")
    return Html(f'<details><summary style="cursor:pointer">{esc(name)}</summary>{body}</details>')


def _beside(finding: Finding) -> Html:
    words_of_it = join([pill(finding.severity, finding.severity), f"{finding.message} ({finding.code})"], " ")
    return tag("div", words_of_it, "margin:3px 0 2px")


def _own_time(node: PlanNode, plan: Plan) -> Html | str:
    share = words.share(node, plan)
    if share is None or node.self_time_ms is None:
        return f"{node.total_cost:,.0f}" if node.total_cost is not None and not plan.analyzed else ""
    if node.executed is False:
        return ""
    about = "≈ " if words.is_rough(node) else ""
    time = tag("div", about + milliseconds(node.self_time_ms))
    return join([bar(share, strong=share >= words.STRONG_SHARE, width_px=70), time])


def _row_numbers(node: PlanNode, cut: frozenset[int]) -> Html | str:
    expected = words.count(words.expected_rows(node))
    if node.actual_rows is None:
        return f"{expected} expected" if expected else ""
    if node.executed is False or node.node_type in ("BitmapAnd", "BitmapOr"):
        return ""
    lines: list[Html | str] = [tag("div", words.count(node.total_rows))]
    lines.append(tag("div", f"of {expected} expected", f"font-size:11px;{MUTED}"))
    off = words.factor(node, cut)
    if off:
        lines.append(pill(off.replace(" than expected", ""), "worth it"))
    return join(lines)


def _facts(node: PlanNode) -> Iterator[str]:
    """Everything else that the database said, without what says nothing."""
    if node.total_time_ms is not None and node.executed:
        yield f"Time with everything below: {milliseconds(node.total_time_ms)}"
        if node.share.participants > 1:
            busy = milliseconds(node.busy_time_ms)
            yield f"Shared by {node.share.participants:g} processes, busy for {busy} together"
        if words.is_rough(node):
            yield f"Rounding: ± {milliseconds(node.rounding_ms)}"
    if node.total_cost is not None:
        yield f"Cost: {node.startup_cost or 0:,.2f} to {node.total_cost:,.2f}, {node.plan_width} bytes a row"
    for key, value in node.attributes.items():
        if value or key == "Hash Batches":
            yield f"{key}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _remarks(plan: Plan) -> Iterator[str]:
    """What stands outside the nodes, and what the plan cannot show."""
    outside = [f"{time.name} {milliseconds(time.time_ms)}" for time in plan.outside_times]
    if outside:
        yield f"Outside the nodes: {', '.join(outside)}."
    for trigger in plan.triggers:
        yield (
            f"Trigger {trigger.constraint_name or trigger.name} on {trigger.relation_name}: "
            f"{milliseconds(trigger.time_ms)} in {words.count(trigger.calls)} calls."
        )
    if plan.jit_time_ms:
        yield f"Of the nodes' times, {milliseconds(plan.jit_time_ms)} went into compiling the plan (JIT)."
    if plan.settings:
        changed = ", ".join(f"{name} = {value}" for name, value in plan.settings.items())
        yield f"Planner settings that differ from their defaults: {changed}."
    yield from plan.notes


def _numbers(node: PlanNode, plan: Plan) -> str:
    share = words.share(node, plan)
    ran = node.executed is not False
    return " ".join(
        (
            f"{milliseconds(node.self_time_ms) if share is not None and ran else '':>9}",
            f"{share if share is not None and ran else 0:>6.0%}" if share is not None and ran else " " * 6,
            f"{words.count(node.total_rows):>11}",
            f"{words.count(words.expected_rows(node)):>11}",
            f"{node.actual_loops if node.actual_loops is not None else '':>7}",
        )
    )


def _text_title(node: PlanNode, cut: frozenset[int]) -> str:
    extra = [node.subplan_name, words.factor(node, cut), _NOT_EXECUTED if node.executed is False else ""]
    known = [text for text in extra if text]
    return words.title(node) + (f"  [{', '.join(known)}]" if known else "")
