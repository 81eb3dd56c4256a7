"""Exclusive (self) time and buffers of every node of a PostgreSQL plan.

The numbers conserve: over all nodes they add up to the root's time, plus what data-modifying CTEs did after
the main query. Reference notes on EXPLAIN, section 3: measured on 250 plans, where adding up the numbers as
they stand is wrong for parallel workers, InitPlans, CTEs and parallel bitmap scans.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from perfkit.model.plan_node import Buffers, NodeShare, PlanNode

# PostgreSQL prints times with three decimals of a millisecond, so each is off by up to half of the last.
ROUNDING_MS = 0.0005
# A node that evaluated an InitPlan holds at least its time; a tenth is left to the jitter of two clocks.
_HOLDS = 0.9
# A CTE left over by less than 2 % was pulled by its scans, and the clock jittered.
_JITTER_SHARE, _JITTER_MS = 0.02, 0.05
_GATHER = ("Gather", "Gather Merge")
_INIT_NUMBER = re.compile(r"InitPlan (\d+)")
_INIT_PARAMETER = re.compile(r"\$\d+")


@dataclass(slots=True, eq=False)
class _Work:
    """A node with its place in the tree and the numbers in progress."""

    node: PlanNode
    parent: "_Work | None"
    participants: float
    gather_participants: float
    children: list["_Work"]
    total: float
    rest: float = 0.0
    buffers: Buffers = field(default_factory=Buffers)
    left_over: float = 0.0

    @property
    def is_init(self) -> bool:
        return self.node.parent_relationship == "InitPlan"


@dataclass(frozen=True, slots=True)
class PlanShares:
    """The share of every node in reading order, and the milliseconds spent after the main query."""

    shares: tuple[NodeShare, ...]
    after_query_ms: float


def plan_shares(root: PlanNode, rounding_ms: float = ROUNDING_MS) -> PlanShares:
    """Compute what each node of a plan took for itself.

    Args:
        root: the plan's root, with the database's numbers.
        rounding_ms: by how much the time of one loop may be off, in milliseconds; 0 where the database
            gives totals.

    Returns:
        Shares in reading order. Their times are `None` where the plan was not timed.
    """
    order = _place(root)
    timed = root.actual_total_time is not None and root.actual_loops is not None
    for work in order:
        inner = [child for child in work.children if not child.is_init]
        work.rest = work.total - sum(child.total for child in inner)
        work.buffers = work.node.buffers
        for child in inner:
            work.buffers = work.buffers.minus(child.node.buffers)
    for work in order:
        if work.is_init and not _is_cte(work):
            _charge_init_plan(work)
    for producer, scans in _cte_scans(order):
        _charge_cte(producer, scans)
    shares = tuple(_share(work, timed, rounding_ms) for work in order)
    return PlanShares(shares, sum(work.left_over for work in order) if timed else 0.0)


def _place(root: PlanNode) -> list[_Work]:
    """Every node in reading order, with the number of processes that shared its time."""
    order: list[_Work] = []
    pending: list[tuple[PlanNode, _Work | None]] = [(root, None)]
    while pending:
        node, parent = pending.pop()
        work = _work(node, parent)
        if parent is not None:
            parent.children.append(work)
        order.append(work)
        pending.extend((child, work) for child in reversed(node.children))
    return order


def _work(node: PlanNode, parent: _Work | None) -> _Work:
    loops = node.actual_loops or 0
    participants, outside = (
        (1.0, 1.0) if parent is None else (parent.participants, parent.gather_participants)
    )
    if parent is not None and _is_gathered(node, parent.node):
        # Observed, not "Workers Launched" + 1: the leader may not take part, and workers come late.
        outside = participants
        participants *= max(1.0, loops / max(1, parent.node.actual_loops or 1))
    shared_bitmap = parent is not None and _is_parallel_bitmap(parent.node)
    if shared_bitmap:
        # One process builds the bitmap while the others wait for it.
        participants = outside
    total = (node.actual_total_time or 0.0) * loops / participants
    if shared_bitmap and parent is not None:
        total = min(total, parent.total)
    return _Work(node, parent, participants, outside, [], total)


def _is_gathered(node: PlanNode, parent: PlanNode) -> bool:
    """Whether workers run it. InitPlans and SubPlans of the Gather itself run in the leader alone."""
    return parent.node_type in _GATHER and node.parent_relationship not in ("InitPlan", "SubPlan")


def _is_parallel_bitmap(node: PlanNode) -> bool:
    return node.node_type == "Bitmap Heap Scan" and node.attributes.get("Parallel Aware") is True


def _is_cte(work: _Work) -> bool:
    return (work.node.subplan_name or "").startswith("CTE ")


def _charge_init_plan(init: _Work) -> None:
    """Take an InitPlan's time from the one node that evaluated it: it stands inside that node's time."""
    attach = init.parent
    if attach is None or init.total <= 0:
        return
    scope = [attach, *_below(attach)]
    for sibling in attach.children:
        if sibling.is_init and sibling is not init:
            scope += [sibling, *_below(sibling)]
    matches = _reference(init.node.subplan_name or "")
    users = [
        _evaluator(work, attach) for work in scope if matches is not None and _mentions(work.node, matches)
    ]
    target = _holder(init.total, attach, users, scope)
    if target is not None:
        taken = min(init.total, max(0.0, target.rest))
        target.rest -= taken
        # Workers of the InitPlan are shut down at the end of the query, in the node that it hangs on.
        attach.rest -= min(init.total - taken, max(0.0, attach.rest))
        target.buffers = target.buffers.minus(init.node.buffers)


def _holder(total: float, attach: _Work, users: list[_Work], scope: list[_Work]) -> _Work | None:
    """The node within whose time an InitPlan ran: one that names it if one can be it, else the best guess."""
    needed = _HOLDS * total
    choices = (
        [work for work in users if work.rest >= needed],
        [work for work in users if work is not attach and work.rest + attach.rest >= needed],
        [attach] if attach.rest >= needed else [],
        [work for work in scope if work.rest >= needed],
    )
    holders = next((choice for choice in choices if choice), [])
    return max(holders, key=lambda work: work.rest, default=None)


def _below(work: _Work) -> Iterator[_Work]:
    for child in work.children:
        if not child.is_init:
            yield child
            yield from _below(child)


def _reference(subplan_name: str) -> re.Pattern[str] | None:
    """How conditions name an InitPlan: `(InitPlan 1).col1` from PostgreSQL 17, `$0` before."""
    names = [rf"\(InitPlan {number}\)\." for number in _INIT_NUMBER.findall(subplan_name)]
    names += [rf"{re.escape(parameter)}(?!\d)" for parameter in _INIT_PARAMETER.findall(subplan_name)]
    return re.compile("|".join(names)) if names else None


def _mentions(node: PlanNode, reference: re.Pattern[str]) -> bool:
    return any(reference.search(text) for text in _texts(node.attributes.values()))


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            yield from (item for item in value if isinstance(item, str))


def _evaluator(work: _Work, attach: _Work) -> _Work:
    """The leader evaluates an InitPlan in the Gather, before it starts the workers that use it."""
    outermost, current = work, work
    while current is not attach and current.parent is not None:
        if _is_gathered(current.node, current.parent.node):
            outermost = current.parent
        current = current.parent
    return outermost


def _cte_scans(order: list[_Work]) -> Iterator[tuple[_Work, list[_Work]]]:
    """Each CTE with the scans that read it, found by the nearest CTE of that name around the scan."""
    producers = [work for work in order if work.is_init and _is_cte(work)]
    scans: dict[int, list[_Work]] = {id(producer): [] for producer in producers}
    for work in order:
        producer = _producer(work) if work.node.node_type == "CTE Scan" else None
        if producer is not None:
            scans[id(producer)].append(work)
    return ((producer, scans[id(producer)]) for producer in producers)


def _producer(scan: _Work) -> _Work | None:
    name = f"CTE {scan.node.attributes.get('CTE Name')}"
    around = scan.parent
    while around is not None:
        for child in around.children:
            if child.is_init and child.node.subplan_name == name:
                return child
        around = around.parent
    return None


def _charge_cte(producer: _Work, scans: list[_Work]) -> None:
    """Take a CTE's time from the scans that pulled its rows, the longest first."""
    remaining, buffers = producer.total, producer.node.buffers
    for scan in sorted(scans, key=lambda work: -work.rest):
        taken = max(0.0, min(remaining, scan.rest))
        scan.rest -= taken
        remaining -= taken
        scan.buffers, buffers = scan.buffers.minus(buffers), buffers.minus(scan.buffers)
    if remaining > _JITTER_SHARE * producer.total + _JITTER_MS:
        # A data-modifying CTE that the main query did not read to its end is finished after it.
        producer.left_over = remaining


def _share(work: _Work, timed: bool, rounding_ms: float) -> NodeShare:
    if not timed:
        return NodeShare(participants=work.participants, self_buffers=work.buffers)
    return NodeShare(
        participants=work.participants,
        total_ms=work.total,
        self_ms=max(0.0, work.rest),
        busy_ms=(work.node.actual_total_time or 0.0) * (work.node.actual_loops or 0),
        rounding_ms=rounding_ms * (_averaged(work) + sum(_averaged(child) for child in work.children)),
        self_buffers=work.buffers,
    )


def _averaged(work: _Work) -> float:
    """Over how many loops of one process the database took the average that it rounded."""
    return (work.node.actual_loops or 0) / work.participants
