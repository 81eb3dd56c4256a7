"""One node of a plan as HTML: a full line with its bar, or a short one where it hardly matters.

A thousand nodes must stay small, so the markup is written out here with as little style as will do. Nothing
is a table: on a phone the numbers go below the name, and the page does not scroll sideways.
"""

from collections.abc import Sequence

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.wording import counted
from perfkit.views import _plan_words as words
from perfkit.views._html import BAR, BAR_STRONG, MUTED, Html, code_block, esc, join, pill, tag
from perfkit.views._plan_facts import facts

NOT_EXECUTED = "never executed"
_INDENT_PX = 16
# Deeper levels stay at this one: the tree must not push its own text off the page.
_MAX_INDENT = 14
_BAR_PX = 40
# Of what to paste; the list of findings has all of it.
_SHOWN_LINES = 6
# A shorter bar cannot be seen.
_MIN_BAR_PX = 2
_LINE = "display:flex;flex-wrap:wrap;border-top:1px solid rgba(128,128,128,.28);padding:5px 0"
# The indent counts as part of the width, so that the numbers of all levels stand below each other.
_NAME = "flex:9 1 320px;min-width:0;box-sizing:border-box;padding-left"
_NOTHING = Html("")
_NUMBERS = "flex:1 1 360px;display:flex;gap:6px;text-align:right"


def full(node: PlanNode, depth: int, plan: Plan, findings: Sequence[Finding], cut: frozenset[int]) -> Html:
    """A node with everything that is known of it.

    Args:
        node: of the plan.
        depth: its level, the root at 0.
        plan: the whole plan.
        findings: what the rules say of this node; shown below it.
        cut: numbers of the nodes that may have been stopped before they had returned all their rows.
    """
    cells = (_time(node, plan), _rows(node, cut), _two_lines(words.loops(node), words.read(node)))
    dim = f";{MUTED}" if node.executed is False else ""
    whole_line = f"flex:1 0 100%;min-width:0;box-sizing:border-box;padding-left:{indent(depth)}px"
    below = [tag("div", beside(finding), whole_line) for finding in findings]
    return _row(Html(_text(node)), cells, f"{indent(depth)}px{dim}", join(below))


def header(plan: Plan) -> Html:
    """What the numbers beside the nodes are; nothing where there are none."""
    root = plan.root
    if root.plan_rows is None and root.actual_rows is None:
        return _NOTHING
    time = "own time" if root.self_time_ms is not None else "cost" if root.total_cost else ""
    names = (time, "rows", "loops, read" if plan.analyzed else "")
    return _row(_NOTHING, [tag("span", name, MUTED) for name in names], "0")


def _row(left: Html, numbers: Sequence[Html | str], indent: str, below: Html = _NOTHING) -> Html:
    texts = [esc(number) for number in numbers]
    cells = "".join(f'<span style="flex:{w}">{text}</span>' for w, text in zip((7, 5, 5), texts, strict=True))
    right = f'<div style="{_NUMBERS}">{cells}</div>' if any(texts) else ""
    return Html(f'<div style="{_LINE}"><div style="{_NAME}:{indent}">{left}</div>{right}{below}</div>')


def compact(node: PlanNode, depth: int, plan: Plan) -> Html:
    """A node that takes hardly any time, on one line with its numbers, and its condition."""
    numbers = "" if node.executed is False else f" — {_in_words(node, plan)}"
    return Html(f'<div style="padding-left:{indent(depth)}px">{_text(node, numbers)}</div>')


def beside(finding: Finding) -> Html:
    """A finding below its node, with what to paste; the reasons stand in the list of findings."""
    said = join([pill(finding.severity, finding.severity), f"{finding.message} ({finding.code})"], " ")
    advice, *snippet = finding.advice.splitlines()
    to_do = [code_block("\n".join(snippet[:_SHOWN_LINES]))] if snippet else [tag("b", "Next: "), advice]
    left = len(snippet) - _SHOWN_LINES
    more = tag("div", f"{counted(left, 'more line')} in the list of findings", MUTED) if left > 0 else ""
    return tag("div", join([said, tag("div", join([*to_do, more]))]), "margin:4px 0 2px")


def indent(depth: int) -> int:
    """How far a node of this level stands to the right, in pixels."""
    return min(depth, _MAX_INDENT) * _INDENT_PX


def _text(node: PlanNode, numbers: str = "") -> str:
    """The name, which unfolds to what else is known, and the conditions below it."""
    shown = words.conditions(node)
    name = f"<b>{esc(words.title(node))}</b>{_remarks(node)}{esc(numbers)}"
    more = " · ".join(facts(node, shown))
    if more:
        fold = f'<div style="font-size:12px;{MUTED}">{esc(more)}</div>'
        name = f'<details><summary style="cursor:pointer">{name}</summary>{fold}</details>'
    if not shown:
        return name
    # `samp` is set in the fixed font by every page, so no font needs to be named a thousand times.
    lines = "<br>".join(map(esc, words.condition_lines(node, shown)))
    return f'{name}<samp style="display:block;font-size:12px">{lines}</samp>'


def _remarks(node: PlanNode) -> str:
    """What a reader should not miss about the node, after its name."""
    parts = [esc(pill(spill, "bad")) for spill in words.spills(node)]
    if node.subplan_name:
        parts.insert(0, esc(tag("span", node.subplan_name, MUTED)))
    if node.executed is False:
        parts.append(NOT_EXECUTED)
    return "".join(f" {part}" for part in parts)


def _time(node: PlanNode, plan: Plan) -> Html | str:
    share = words.share(node, plan)
    if share is None or node.self_time_ms is None:
        return words.cost(node, plan)
    if node.executed is False:
        return ""
    text = words.own_time(node)
    width = round(share * _BAR_PX)
    if width < _MIN_BAR_PX:
        return text
    colour = BAR_STRONG if share >= words.STRONG_SHARE else BAR
    bar = f"float:left;margin:5px 5px 0 0;height:9px;width:{width}px;background:{colour}"
    part = f'<span style="float:left;margin-right:6px">{share:.0%}</span>'
    return Html(f'<span style="{bar}"></span>{part}{esc(text)}')


def _rows(node: PlanNode, cut: frozenset[int]) -> Html | str:
    expected = words.count(words.expected_rows(node))
    if node.actual_rows is None:
        return f"{words.rows(expected)} expected" if expected else ""
    if node.executed is False or node.node_type in ("BitmapAnd", "BitmapOr"):
        return ""
    off = words.factor(node, cut)
    mark = [pill(off.replace(" than expected", ""), "worth it")] if off else []
    actual = words.count(node.total_rows)
    second = "as expected" if actual == expected else f"{expected} expected"
    return join([_two_lines(words.rows(actual), second), *mark], " ")


def _two_lines(first: str, second: str) -> Html:
    """The second of them smaller."""
    if not (first and second):
        return Html(esc(first or second))
    return join([first, tag("span", second, f"display:block;font-size:12px;{MUTED}")])


def _in_words(node: PlanNode, plan: Plan) -> str:
    """The numbers of a short line."""
    time = words.cost(node, plan) if node.self_time_ms is None else words.own_time(node)
    rows = words.count(node.total_rows if node.actual_rows is not None else words.expected_rows(node))
    parts = (time, words.rows(rows), words.loops(node), words.read(node))
    return ", ".join(part for part in parts if part)
