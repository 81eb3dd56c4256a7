"""Exclusive (self) time and buffers of every node of a PostgreSQL plan.

The numbers conserve: over all nodes they add up to the root's time, plus what data-modifying CTEs did after
the main query. Reference notes on EXPLAIN, section 3: measured on 250 plans, where adding up the numbers as
they stand is wrong for parallel workers, InitPlans, CTEs and parallel bitmap scans.
"""

import heapq
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
# How conditions name an InitPlan: `(InitPlan 1).col1` from PostgreSQL 17, `$0` before.
_MENTION = re.compile(r"\(InitPlan (\d+)\)\.|(\$\d+)")


@dataclass(slots=True, eq=False)
class _Work:
    """A node with its place in the tree and the numbers in progress.

    `number` and `last` are the places in reading order of the node and of the last one below it;
    `init_plan` is the innermost InitPlan in which the node stands.
    """

    node: PlanNode
    parent: "_Work | None"
    participants: float
    gather_participants: float
    children: list["_Work"]
    total: float
    rest: float = 0.0
    buffers: Buffers = field(default_factory=Buffers)
    left_over: float = 0.0
    number: int = 0
    last: int = 0
    init_plan: "_Work | None" = None

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
    init_plans = _InitPlans(order)
    for work in order:
        if work.is_init and not _is_cte(work):
            init_plans.charge(work)
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
        work.number = len(order)
        work.init_plan = work if work.is_init or parent is None else parent.init_plan
        if parent is not None:
            parent.children.append(work)
        order.append(work)
        pending.extend((child, work) for child in reversed(node.children))
    for work in reversed(order):
        work.last = work.children[-1].last if work.children else work.number
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


class _InitPlans:
    """Finds out which node evaluated each InitPlan; the plan is read once, however many there are.

    An InitPlan can be used in all that the node it hangs on includes, and in the InitPlans beside it.
    """

    def __init__(self, order: list[_Work]) -> None:
        self._order = order
        self._mentions = _mentions(order)
        self._longest_around: dict[int, list[tuple[float, int, _Work]]] = {}

    def charge(self, init: _Work) -> None:
        """Take an InitPlan's time from the one node that evaluated it: it stands inside that node's time."""
        attach = init.parent
        if attach is None or init.total <= 0:
            return
        target = self._holder(init, attach)
        if target is not None:
            taken = min(init.total, max(0.0, target.rest))
            target.rest -= taken
            # Workers of the InitPlan are shut down at the end of the query, in the node that it hangs on.
            attach.rest -= min(init.total - taken, max(0.0, attach.rest))
            target.buffers = target.buffers.minus(init.node.buffers)

    def _holder(self, init: _Work, attach: _Work) -> _Work | None:
        """The node within whose time it ran: one that names it if one can be it, else the best guess."""
        needed = _HOLDS * init.total
        users = [_evaluator(work, attach) for work in self._users(init, attach)]
        holders = (
            [work for work in users if work.rest >= needed]
            or [work for work in users if work is not attach and work.rest + attach.rest >= needed]
            or ([attach] if attach.rest >= needed else [])
            or [work for work in self._longest(init, attach) if work.rest >= needed]
        )
        return max(holders, key=lambda work: work.rest, default=None)

    def _users(self, init: _Work, attach: _Work) -> list[_Work]:
        """The nodes around it that name it, those of other InitPlans last."""
        subplan_name = init.node.subplan_name or ""
        names = {*_INIT_NUMBER.findall(subplan_name), *_INIT_PARAMETER.findall(subplan_name)}
        found = {work.number: work for name in names for work in self._mentions.get(name, ())}
        users = [work for work in found.values() if _is_around(work, init, attach)]
        return sorted(users, key=lambda work: (work.init_plan is not attach.init_plan, work.number))

    def _longest(self, init: _Work, attach: _Work) -> list[_Work]:
        """The node around it of which most time is left."""
        heap = self._longest_around.get(attach.number)
        if heap is None:
            around = enumerate(_around(attach, self._order))
            heap = self._longest_around[attach.number] = [(-work.rest, i, work) for i, work in around]
            heapq.heapify(heap)
        own: list[tuple[float, int, _Work]] = []
        while heap and (heap[0][2].init_plan is init or -heap[0][0] != heap[0][2].rest):
            rest, place, work = heapq.heappop(heap)
            if -rest != work.rest:  # it has been charged since; what is left of a node never grows
                heapq.heappush(heap, (-work.rest, place, work))
            else:
                own.append((rest, place, work))
        found = [heap[0][2]] if heap else []
        for item in own:
            heapq.heappush(heap, item)
        return found


def _mentions(order: list[_Work]) -> dict[str, list[_Work]]:
    """The nodes in whose texts each InitPlan is named, in reading order."""
    found: dict[str, list[_Work]] = {}
    for work in order:
        texts = " ".join(_texts(work.node.attributes.values()))
        for name in {number or parameter for number, parameter in _MENTION.findall(texts)}:
            found.setdefault(name, []).append(work)
    return found


def _is_around(work: _Work, init: _Work, attach: _Work) -> bool:
    if work.init_plan is attach.init_plan:
        return attach.number <= work.number <= attach.last
    around = work.init_plan
    return around is not None and around is not init and around.parent is attach


def _around(attach: _Work, order: list[_Work]) -> Iterator[_Work]:
    """What a node includes, then what each InitPlan on it includes."""
    for top in (attach, *(child for child in attach.children if child.is_init)):
        yield from (work for work in order[top.number : top.last + 1] if work.init_plan is top.init_plan)


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
