"""A query plan as a tree: where the time went, what was expected, and the finding beside its node."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import groupby
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import AlternativePlan, Plan, PlanNode
from perfkit.model.plan_shape import cut_short
from perfkit.model.plan_writer import plan_json
from perfkit.model.wording import counted
from perfkit.views import _plan_node as lines
from perfkit.views import _plan_words as words
from perfkit.views._format import milliseconds
from perfkit.views._html import MONO, MUTED, Html, code, details, join, paragraph, tag, tiles
from perfkit.views._sql import sql_html

Settings = Mapping[str, Any]
_TEXT_INDENT = 30
_TEXT_BAR = 6
# Plans up to this size are read line by line; in larger ones, what hardly matters is folded away.
_LARGE_PLAN = 40
_QUIET_SHARE = 0.01
_ALWAYS_SHOWN = 5
_LEAST_FOLDED = 3
# A plan's JSON is about 1 kB a node. Beyond this the report would be mostly that.
_MAX_COPIED_NODES = 60
_MAX_COPIED = 100_000
_NAMED_KINDS = 3
_ALTERNATIVES = {
    "generic": "The generic plan, made once for all values of a prepared statement",
    "cursor": "The plan of the named cursor, made for its first rows",
}
_TEXT_HEAD = f"{'self':>9} {'share':>13} {'rows':>11} {'expected':>11} {'loops':>7} {'read':>9}  node"
_BELOW = " " * _TEXT_HEAD.index("node")


def as_html(
    plan: Plan, findings: Sequence[Finding] = (), number: int = 0, *, said: Settings | None = None
) -> Html:
    """The plan as a tree that needs no script.

    Args:
        plan: what the database said.
        findings: judgements about this plan; each is shown beside the node that it names first.
        number: of the plan in its result, to say how to get at it.
        said: the planner's settings that are told elsewhere; others are told here.
    """
    by_node = _by_node(findings)
    parts = [
        tag("div", sql_html(plan.query_text), "margin:0 0 6px") if plan.query_text else "",
        _origin(plan),
        tiles(_header(plan)),
        *(lines.beside(finding) for finding in findings if not finding.offenders),
        _tree(plan, by_node),
        *(paragraph(line, quiet=True) for line in _remarks(plan, said)),
        *(_alternative(other) for other in plan.alternatives),
        _copy(plan, number),
    ]
    return tag("div", join(parts), "margin:10px 0 16px")


def as_text(plan: Plan, findings: Sequence[Finding] = (), *, said: Settings | None = None) -> str:
    """The same for a terminal: one line a node, its own time first."""
    by_node = _by_node(findings)
    head = " · ".join(f"{label} {value}" for value, label in _header(plan))
    whole = [_finding_text(finding) for finding in findings if not finding.offenders]
    text = [head, *whole, _TEXT_HEAD]
    cut = cut_short(plan)
    for node, depth in words.depths(plan):
        level = "  " * min(depth, _TEXT_INDENT)
        text.append(f"{_numbers(node, plan)}  {level}{_text_title(node, cut)}")
        below = [*words.condition_lines(node), *words.spills(node)]
        below += [_finding_text(finding) for finding in by_node.get(node.node_id, ())]
        text.extend(f"{_BELOW}{level}  {line}" for line in below)
    text += _remarks(plan, said)
    for other in plan.alternatives:
        text += [f"{_alternative_title(other)}:", as_text(other.plan, said=plan.settings)]
    return "\n".join(text)


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
            "conditions": "; ".join(words.condition_lines(node)),
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


def _by_node(findings: Sequence[Finding]) -> dict[int, list[Finding]]:
    """Each finding at the node that it names first."""
    found: dict[int, list[Finding]] = {}
    for finding in findings:
        for node_id in finding.offenders[:1]:
            found.setdefault(node_id, []).append(finding)
    return found


def _alternative(other: AlternativePlan) -> Html:
    body = [tiles(_header(other.plan)), _tree(other.plan, {})]
    return details(_alternative_title(other), join(body))


def _alternative_title(other: AlternativePlan) -> str:
    times = f", run {counted(other.executions, 'time')} in this block" if other.executions else ""
    return f"{_ALTERNATIVES[other.kind]}{times}"


def _copy(plan: Plan, number: int) -> Html:
    """The plan as JSON, to be selected and pasted elsewhere; of a large one, how to get it."""
    if plan.system_name != "postgresql":
        return Html("")
    nodes = len(list(plan.nodes()))
    text = plan_json(plan) if nodes <= _MAX_COPIED_NODES else ""
    if not 0 < len(text) <= _MAX_COPIED:
        call = code(f"print(result.plan_json({number or ''}))")
        said = f"The plan as JSON, for pev2 and others ({counted(nodes, 'node')}): store the result, then "
        return paragraph(join([said, call]), quiet=True)
    style = "max-height:180px;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all"
    # All of it is ASCII, and within an element quotes need no escape, which would make it twice as long.
    body = f'<pre style="{MONO};font-size:11px;{style}">{html.escape(text, quote=False)}</pre>'
    title = tag("summary", "The plan as JSON, for pev2 and others", f"cursor:pointer;{MUTED}")
    return Html(f"<details>{title}{body}</details>")


def _tree(plan: Plan, findings: Mapping[int, list[Finding]]) -> Html:
    cut = cut_short(plan)
    levels = list(words.depths(plan))
    quiet = _quiet(plan, findings) if len(levels) > _LARGE_PLAN else frozenset()
    parts: list[Html] = [lines.header(plan)]
    for is_quiet, run in groupby(levels, key=lambda level: level[0].node_id in quiet):
        members = list(run)
        if is_quiet:
            parts.append(_folded(members, plan))
        else:
            parts.extend(
                lines.full(node, depth, plan, findings.get(node.node_id, ()), cut) for node, depth in members
            )
    return tag("div", join(parts), "overflow-wrap:anywhere;margin:4px 0")


def _quiet(plan: Plan, findings: Mapping[int, list[Finding]]) -> frozenset[int]:
    """The nodes of a large plan that hardly take time, and below which there is nothing to see either."""
    nodes = list(plan.nodes())
    slowest = nlargest(_ALWAYS_SHOWN, nodes, key=lambda node: node.self_time_ms or 0.0)
    loud = {plan.root.node_id, *findings, *(node.node_id for node in slowest)}
    for node in reversed(nodes):
        matters = (words.share(node, plan) or 0.0) >= _QUIET_SHARE or any(words.spills(node))
        if matters or any(child.node_id in loud for child in node.children):
            loud.add(node.node_id)
    return frozenset(node.node_id for node in nodes) - loud


def _folded(members: Sequence[tuple[PlanNode, int]], plan: Plan) -> Html:
    body = join(lines.compact(node, depth, plan) for node, depth in members)
    if len(members) < _LEAST_FOLDED:
        return body
    style = f"cursor:pointer;padding:5px 0;{MUTED}"
    return Html(f"<details>{tag('summary', _sum(members, plan), style)}{body}</details>")


def _sum(members: Sequence[tuple[PlanNode, int]], plan: Plan) -> str:
    """What a fold holds: `24 nodes, 9.6 ms (12 %): 12 Index Scan, 6 Hash, 6 Seq Scan`."""
    kinds = Counter(node.node_type for node, _ in members)
    named = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common(_NAMED_KINDS))
    more = ", …" if len(kinds) > _NAMED_KINDS else ""
    time = sum(node.self_time_ms or 0.0 for node, _ in members)
    share = f", {milliseconds(time)} ({time / plan.duration_ms:.1%})" if plan.duration_ms else ""
    return f"{counted(len(members), 'node')}{share}: {named}{more}"


def settings_line(settings: Settings) -> str:
    """The planner's settings that are not as PostgreSQL has them by itself."""
    changed = ", ".join(f"{name} = {value}" for name, value in settings.items())
    return f"Planner settings that differ from their defaults: {changed}."


def _remarks(plan: Plan, said: Settings | None) -> Iterator[str]:
    """What stands outside the nodes, and what the plan cannot show."""
    outside = [f"{time.name} {milliseconds(time.time_ms)}" for time in plan.outside_times]
    if outside:
        yield f"Outside the nodes: {', '.join(outside)}."
    for trigger in plan.triggers:
        yield (
            f"Trigger {trigger.constraint_name or trigger.name} on {trigger.relation_name}: "
            f"{milliseconds(trigger.time_ms)} in {counted(trigger.calls, 'call')}."
        )
    if plan.jit_time_ms:
        yield f"Of the nodes' times, {milliseconds(plan.jit_time_ms)} went into compiling the plan (JIT)."
    if plan.settings and plan.settings != said:
        yield settings_line(plan.settings)
    yield from plan.notes


def _numbers(node: PlanNode, plan: Plan) -> str:
    share = words.share(node, plan) if node.executed is not False else None
    return " ".join(
        (
            f"{milliseconds(node.self_time_ms) if share is not None else '':>9}",
            f"{_text_bar(share) if share is not None else '':>13}",
            f"{words.count(node.total_rows):>11}",
            f"{words.count(words.expected_rows(node)):>11}",
            f"{node.actual_loops if node.actual_loops is not None else '':>7}",
            f"{words.blocks(node.self_buffers.shared):>9}",
        )
    )


def _finding_text(finding: Finding) -> str:
    return f"[{finding.severity}] {finding.message} ({finding.code})"


def _text_bar(share: float) -> str:
    return f"{'█' * round(share * _TEXT_BAR):<{_TEXT_BAR}} {share:>6.0%}"


def _text_title(node: PlanNode, cut: frozenset[int]) -> str:
    extra = [node.subplan_name, words.factor(node, cut), lines.NOT_EXECUTED if node.executed is False else ""]
    known = [text for text in extra if text]
    return words.title(node) + (f"  [{', '.join(known)}]" if known else "")
