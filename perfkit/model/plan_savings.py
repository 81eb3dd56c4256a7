"""Which plans can be judged, and what a change of one would save in the whole block."""

from collections.abc import Iterator

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.trace import Trace

# Below 1 ms or 2 % of the execution a finding is noise, whatever its shape (reference notes on EXPLAIN,
# section 4: guards for all rules).
MIN_SAVING_MS = 1.0
MIN_SAVING_SHARE = 0.02


def measured_plans(
    trace: Trace, *, system_names: tuple[str, ...] = ("postgresql",)
) -> Iterator[tuple[int, Plan, float]]:
    """The plans with times, each with its number in the trace and its execution time in milliseconds.

    Args:
        trace: a block with plans.
        system_names: the databases whose plans are meant; another one's nodes, and the advice on them, are
            others.
    """
    for number, plan in enumerate(trace.plans or ()):
        if (
            plan.system_name in system_names
            and plan.analyzed
            and plan.root.self_time_ms is not None
            and plan.duration_ms
        ):
            yield number, plan, plan.duration_ms


def is_worth_a_line(saving_ms: float, duration_ms: float) -> bool:
    """Whether one execution would save enough to say so."""
    return saving_ms >= max(MIN_SAVING_MS, MIN_SAVING_SHARE * duration_ms)


def saving_in_block(saving_ms: float, plan: Plan, trace: Trace) -> float:
    """What all executions in the block would save; never more than they took, or the block."""
    total = saving_ms * max(1, plan.executions)
    if plan.client_time_ms is not None:  # on average; the plan itself may be that of a slow run
        total = min(total, plan.client_time_ms * max(1, plan.executions))
    return min(total, trace.duration_ms) if trace.duration_ms > 0 else total


def own_time_words(what: str, node: PlanNode, plan: Plan) -> str:
    """How long a node took for itself, as evidence: `The scan itself took 41.2 ms of 45.0 ms.`

    Args:
        what: the node in one word, such as `scan`.
        node: the node.
        plan: its plan.
    """
    return f"The {what} itself took {node.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms."


def table_name(node: PlanNode) -> str:
    """The table for a sentence."""
    return node.relation_name or node.node_type
