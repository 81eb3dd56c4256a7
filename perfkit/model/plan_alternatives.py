"""Two plans of one statement: whether they differ, and what the other one costs."""

from collections.abc import Iterator

from perfkit.model.plan import AlternativeKind, AlternativePlan, Plan, PlanNode
from perfkit.model.trace import Trace

Shape = tuple[tuple[int, str, str | None, str | None], ...]


def shape(plan: Plan) -> Shape:
    """What makes two plans the same: their nodes, tables and indexes, in reading order."""
    return tuple(_nodes(plan.root, 0))


def _nodes(node: PlanNode, depth: int) -> Iterator[tuple[int, str, str | None, str | None]]:
    yield depth, node.node_type, node.relation_name, node.index_name
    for child in node.children:
        yield from _nodes(child, depth + 1)


def other_plans(trace: Trace, kind: AlternativeKind) -> Iterator[tuple[int, Plan, AlternativePlan]]:
    """The statements of a block that really ran by another plan of this kind, and one that differs.

    Args:
        trace: a block with plans.
        kind: why the plan is another one.

    Returns:
        The number of the plan in the block, the plan, and the other one.
    """
    for number, plan in enumerate(trace.plans or ()):
        for other in plan.alternatives:
            if other.kind == kind and shape(other.plan) != shape(plan):
                yield number, plan, other


def extra_ms(plan: Plan, other: AlternativePlan) -> float | None:
    """How much longer one execution takes by the other plan, in milliseconds.

    Planning is needed for each execution where the plan is made for its values, so it is taken off.

    Returns:
        `None` where one of the two was not measured.
    """
    if not plan.analyzed or not other.plan.analyzed or plan.duration_ms is None:
        return None
    if other.plan.duration_ms is None:
        return None
    planning_ms = plan.planning_time_ms or 0.0 if other.kind == "generic" else 0.0
    return other.plan.duration_ms - plan.duration_ms - planning_ms


def slower_plans(
    trace: Trace, kind: AlternativeKind, *, min_factor: float, min_extra_ms: float
) -> Iterator[tuple[int, Plan, AlternativePlan, float]]:
    """The statements that really ran by another plan of this kind, and by a slower one.

    Args:
        trace: a block with plans.
        kind: why the plan is another one.
        min_factor: how many times longer the other plan takes.
        min_extra_ms: by how many milliseconds, one execution.

    Returns:
        The number of the plan in the block, the plan, the other one, and how many milliseconds that one adds.
    """
    for number, plan, other in other_plans(trace, kind):
        extra = extra_ms(plan, other)
        if extra is None or extra < min_extra_ms:
            continue
        if (other.plan.duration_ms or 0.0) >= min_factor * (plan.duration_ms or 0.0):
            yield number, plan, other, extra


def extra_in_block_ms(extra: float, plan: Plan, other: AlternativePlan, trace: Trace) -> float:
    """What all executions by the other plan took longer; never more than the block took."""
    total = extra * max(1, other.executions or plan.executions)
    return min(total, trace.duration_ms) if trace.duration_ms > 0 else total
