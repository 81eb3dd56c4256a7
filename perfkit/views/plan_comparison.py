"""Plans before and after, side by side: matched node by node, with what has changed."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_match import NodePair, match_plans, match_statements
from perfkit.model.wording import counted, one_line
from perfkit.views import _plan_change as change
from perfkit.views import _plan_words as words
from perfkit.views._html import MUTED, Content, Html, details, join, paragraph, pill, tag, tiles
from perfkit.views._plan_node import NOT_EXECUTED, indent
from perfkit.views._sql import sql_html

# As for one plan: a larger one is not read line by line.
_LARGE = 40
_LEAST_FOLDED = 3
_LINE = "display:flex;flex-wrap:wrap;border-top:1px solid rgba(128,128,128,.28);padding:5px 0"
# The colour of what is shown after.
_EDGE = "#3f7fbf"
_TEXT_INDENT = 30
ONE_RUN = "One run proves little: %verify, given two functions, tells chance from change."
_TEXT_HEAD = f"{'before':>9} {'after':>9} {'change':>10} {'rows':>19} {'read':>19}  node"


def as_html(before: Sequence[Plan], after: Sequence[Plan]) -> Html:
    """All plans of two blocks.

    Args:
        before: the plans as they were.
        after: the plans as they are.

    Returns:
        A part of a card; nothing where neither block holds a plan.
    """
    parts: list[Html] = []
    for old, new in match_statements(before, after):
        if old is not None and new is not None:
            parts.append(_one_html(old, new))
        elif (only := old or new) is not None:
            word = "gone" if new is None else "new"
            parts.append(tag("div", join([pill(word), " ", sql_html(only.query_text)]), "margin:10px 0"))
    return join(parts)


def as_text(before: Sequence[Plan], after: Sequence[Plan]) -> str:
    """The same for a terminal."""
    parts: list[str] = []
    for old, new in match_statements(before, after):
        if old is not None and new is not None:
            parts.append("\n".join(_one_text(old, new)))
        elif (only := old or new) is not None:
            parts.append(f"{'gone' if new is None else 'new'}: {one_line(only.query_text)}")
    return "\n\n".join(parts)


def caveats(before: Sequence[Plan], after: Sequence[Plan]) -> tuple[str, ...]:
    """What must be known of the times of one run each; nothing where no two plans have times to compare."""
    both = ((old, new) for old, new in match_statements(before, after) if old is not None and new is not None)
    return (ONE_RUN,) if any(old.analyzed and new.analyzed for old, new in both) else ()


def _one_html(before: Plan, after: Plan) -> Html:
    parts: list[Content] = [
        tag("div", sql_html(after.query_text), "margin:0 0 6px"),
        tiles(change.totals(before, after)),
        *(paragraph(remark) for remark in change.remarks(before, after)),
        _line(tag("span", "before", MUTED), 0, tag("span", "after", MUTED), 0),
        _pairs_html(before, after),
    ]
    if before.query_text != after.query_text:
        parts.append(details("The statement before", sql_html(before.query_text)))
    return tag("div", join(parts), "overflow-wrap:anywhere;margin:10px 0 16px")


def _pairs_html(before: Plan, after: Plan) -> Html:
    pairs = match_plans(before, after)
    scale_ms = change.scale_ms(before, after)
    is_large = len(pairs) > _LARGE
    parts: list[Html] = []
    for is_quiet, run in groupby(pairs, key=lambda pair: is_large and change.is_small(pair, scale_ms)):
        members = list(run)
        lines = join(_pair_html(pair, before, after, scale_ms) for pair in members)
        if is_quiet and len(members) >= _LEAST_FOLDED:
            lines = details(f"{counted(len(members), 'node')} that hardly changed the time", lines)
        parts.append(lines)
    return join(parts)


def _line(before: Html, before_depth: int, after: Html, after_depth: int) -> Html:
    """Both sides; on a phone the one after goes below the one before, and keeps the edge that marks it."""
    cell = "flex:1 1 260px;min-width:0;box-sizing:border-box;padding:0 10px"
    left = tag("div", before, f"{cell} 0 {indent(before_depth)}px")
    right = tag("div", after, f"{cell} 0 {10 + indent(after_depth)}px;border-left:3px solid {_EDGE}")
    return tag("div", join([left, right]), _LINE)


def _pair_html(pair: NodePair, before: Plan, after: Plan, scale_ms: float) -> Html:
    marks = change.marks(pair, before, after)
    old = _side_html(pair.before, before, scale_ms, []) if pair.before else Html("")
    new = _side_html(pair.after, after, scale_ms, marks) if pair.after else join([pill("gone"), *marks], " ")
    return _line(old, pair.before_depth, new, pair.after_depth)


def _side_html(node: PlanNode, plan: Plan, scale_ms: float, marks: Sequence[Html]) -> Html:
    name: list[Content] = [tag("b", words.title(node))]
    if node.subplan_name:
        name.append(tag("span", node.subplan_name, MUTED))
    if node.executed is False:
        name.append(NOT_EXECUTED)
    name += [pill(spill, "bad") for spill in words.spills(node)]
    numbers = join([join([change.bar(node, scale_ms), change.numbers(node, plan)]), *marks], " ")
    lines: list[Content] = [join(name, " "), tag("div", numbers)]
    lines += [tag("samp", line, "display:block;font-size:12px") for line in words.condition_lines(node)]
    return join(lines)


def _one_text(before: Plan, after: Plan) -> Iterator[str]:
    yield one_line(after.query_text)
    for value, label in change.totals(before, after):
        yield f"  {label}: {value}"
    yield from (f"  {remark}" for remark in change.remarks(before, after))
    yield _TEXT_HEAD
    scale_ms = change.scale_ms(before, after)
    for pair in match_plans(before, after):
        yield _pair_text(pair, scale_ms)


def _pair_text(pair: NodePair, scale_ms: float) -> str:
    old, new = pair.before, pair.after
    times = (words.own_time(old) if old else "new", words.own_time(new) if new else "gone")
    both = " → ".join(dict.fromkeys(words.title(node) for node in (old, new) if node))
    depth = pair.after_depth if new else pair.before_depth
    return " ".join(
        (
            f"{times[0]:>9} {times[1]:>9} {change.time_change(pair, scale_ms):>10}",
            f"{change.both(pair, lambda node: words.count(node.total_rows)):>19}",
            f"{change.both(pair, lambda node: words.blocks(node.self_buffers.shared)):>19}",
            f" {'  ' * min(depth, _TEXT_INDENT)}{both}",
        )
    )
