"""What has changed between two plans, and between a node before and after, in words."""

from collections.abc import Callable, Iterator

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_match import NodePair
from perfkit.views import _plan_words as words
from perfkit.views._format import milliseconds
from perfkit.views._html import BAR, Html, pill

# A change of less than 1 % of the slower plan is not worth a mark, nor one that the clock cannot tell.
_MARKED_SHARE = 0.01
_MARKED_MS = 0.05
_MARKED_BLOCKS = 16
_LESS = "−"
# Below this nobody would call one of two times the faster one.
_FASTER = 1.1
_BAR_PX = 90


def numbers(node: PlanNode, plan: Plan) -> str:
    """Time, rows, loops and blocks of a node on one line."""
    if node.executed is False:
        return ""
    time = words.own_time(node) or words.cost(node, plan)
    rows = words.rows(words.count(node.total_rows if node.actual_rows is not None else node.plan_rows))
    return " · ".join(part for part in (time, rows, words.loops(node), words.read(node)) if part)


def totals(before: Plan, after: Plan) -> list[tuple[str, str]]:
    """The whole statement before and after: `(numbers, what they are)`."""
    found = []
    old, new = before.duration_ms, after.duration_ms
    if before.analyzed and after.analyzed and old is not None and new is not None:
        found.append((_arrow(milliseconds(old), milliseconds(new)), f"execution{_times(old, new)}"))
    elif before.root.total_cost is not None or after.root.total_cost is not None:
        found.append((_arrow(_cost(before), _cost(after)), "cost, not measured on both sides"))
    if before.planning_time_ms is not None and after.planning_time_ms is not None:
        planning = _arrow(milliseconds(before.planning_time_ms), milliseconds(after.planning_time_ms))
        found.append((planning, "planning"))
    for label, count in _COUNTS.items():
        if count(before) or count(after):
            found.append((_arrow(count(before) or "nothing", count(after) or "nothing"), label))
    return found


_COUNTS: dict[str, Callable[[Plan], str]] = {
    "rows returned": lambda plan: words.count(plan.root.total_rows),
    "read": lambda plan: words.blocks(plan.root.buffers.shared),
    "temporary files": lambda plan: words.blocks(plan.root.buffers.temp_written),
}


def remarks(before: Plan, after: Plan) -> Iterator[str]:
    """What a reader must know before the times are compared."""
    old, new = before.root.total_rows, after.root.total_rows
    if old is not None and new is not None and old != new:
        yield (
            f"Before, the statement returned {words.rows(words.count(old))}; after, "
            f"{words.rows(words.count(new))}. So the times may be of different work."
        )
    if before.settings != after.settings:
        names = sorted({name for name, _ in set(_settings(before)) ^ set(_settings(after))})
        yield f"The planner's settings differ: {', '.join(names)}."


def scale_ms(before: Plan, after: Plan) -> float:
    """The time of the slower plan, 0 where the two were not both measured."""
    if before.root.self_time_ms is None or after.root.self_time_ms is None:
        return 0.0
    return max(before.duration_ms or 0.0, after.duration_ms or 0.0)


def is_small(pair: NodePair, scale_ms: float) -> bool:
    """Whether a pair hardly changed the time of the whole, or nobody knows."""
    return not scale_ms or abs(_difference(pair)) < max(_MARKED_MS, _MARKED_SHARE * scale_ms)


def marks(pair: NodePair, before: Plan, after: Plan) -> list[Html]:
    """What has changed much, on a strong colour: the node's own time, and what it read."""
    if not scale_ms(before, after):
        return []
    change = time_change(pair, scale_ms(before, after))
    found = [_mark(change)] if change else []
    old, new = (node.self_buffers.shared if node else 0 for node in (pair.before, pair.after))
    blocks = new - old
    most = max(before.root.buffers.shared, after.root.buffers.shared)
    if abs(blocks) >= max(_MARKED_BLOCKS, _MARKED_SHARE * most):
        found.append(_mark(f"{_sign(blocks)}{words.blocks(abs(blocks))} read"))
    return found


def _mark(change: str) -> Html:
    return pill(change, "good" if change.startswith(_LESS) else "bad")


def _sign(difference: float) -> str:
    return _LESS if difference < 0 else "+"


def time_change(pair: NodePair, scale_ms: float) -> str:
    """By how much the node's own time has changed, `−55 ms`; empty where that hardly matters."""
    if is_small(pair, scale_ms):
        return ""
    difference = _difference(pair)
    return f"{_sign(difference)}{milliseconds(abs(difference))}"


def both(pair: NodePair, said: Callable[[PlanNode], str]) -> str:
    """Something of the node before and after, once where it has stayed."""
    texts = dict.fromkeys(said(node) or "0" for node in (pair.before, pair.after) if node)
    return " → ".join(texts) if set(texts) != {"0"} else ""


def bar(node: PlanNode, scale_ms: float) -> Html:
    """The node's own time; both plans have the same scale."""
    width = round((node.self_time_ms or 0.0) / scale_ms * _BAR_PX) if scale_ms else 0
    if width <= 0:
        return Html("")
    style = f"display:inline-block;height:9px;width:{min(width, _BAR_PX)}px;background:{BAR};margin-right:6px"
    return Html(f'<span style="{style}"></span>')


def _difference(pair: NodePair) -> float:
    old, new = (node.self_time_ms or 0.0 if node else 0.0 for node in (pair.before, pair.after))
    return new - old


def _arrow(old: str, new: str) -> str:
    return f"{old} → {new}" if old != new else old


def _times(old: float, new: float) -> str:
    low, high = sorted((old, new))
    if low <= 0 or high / low < _FASTER:
        return ""
    factor = high / low
    word = "fast" if new < old else "slow"
    return f", {factor:,.{0 if factor >= 10 else 1}f} times as {word}"


def _cost(plan: Plan) -> str:
    return f"{plan.root.total_cost:,.0f}" if plan.root.total_cost is not None else "unknown"


def _settings(plan: Plan) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in plan.settings.items()]
