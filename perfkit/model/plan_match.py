"""Two plans node by node: which node of the one does the work of which node of the other.

A scan is the same one where it reads the same table under the same name, by whatever index. Any other node is
the same where it does the same kind of work (joining, sorting, grouping, …) above the same scans. What is
left, joins aside, is matched by the nodes above it, in order.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from perfkit.model.plan import Plan, PlanNode

# Kinds of node that do the same work in another way.
_FAMILIES = {
    "Nested Loop": "join", "Hash Join": "join", "Merge Join": "join",
    "Sort": "sort", "Incremental Sort": "sort",
    "Aggregate": "group", "Group": "group", "Unique": "group",
    "Gather": "gather", "Gather Merge": "gather",
    "Append": "append", "Merge Append": "append",
}  # fmt: skip
# They only hold the index entries for the scan above, and come and go with it.
_PARTS_OF_A_SCAN = frozenset({"Bitmap Index Scan", "BitmapAnd", "BitmapOr"})
_SCANS_BY_NAME = ("CTE Name", "Function Name", "Tuplestore Name")


@dataclass(frozen=True, slots=True)
class NodePair:
    """A node before and after; one of the two is `None` where it has gone or is new. Depths count from 0."""

    before: PlanNode | None
    after: PlanNode | None
    before_depth: int = 0
    after_depth: int = 0


@dataclass(slots=True, eq=False)
class _Place:
    """A node with what it is recognised by."""

    node: PlanNode
    depth: int
    parent: "_Place | None"
    position: int = 0
    scan: Hashable = None
    scans: frozenset[Hashable] = frozenset()
    other: "_Place | None" = None


def match_statements(
    before: Sequence[Plan], after: Sequence[Plan]
) -> tuple[tuple[Plan | None, Plan | None], ...]:
    """Pair the plans of two blocks.

    Args:
        before: the plans of the block as it was.
        after: the plans of the block as it is.

    Returns:
        Plans of statements of one shape, in the order of `after`; then those whose statement has gone. Where
        one statement is left on each side, the one has become the other.
    """
    waiting: defaultdict[str, deque[Plan]] = defaultdict(deque)
    for plan in before:
        waiting[plan.fingerprint or plan.query_text].append(plan)
    found: list[tuple[Plan | None, Plan | None]] = []
    for plan in after:
        alike = waiting[plan.fingerprint or plan.query_text]
        found.append((alike.popleft() if alike else None, plan))
    gone = [plan for alike in waiting.values() for plan in alike]
    alone = [position for position, (old, _) in enumerate(found) if old is None]
    if len(gone) == len(alone) == 1:
        found[alone[0]] = (gone.pop(), found[alone[0]][1])
    return (*found, *((plan, None) for plan in gone))


def match_plans(before: Plan, after: Plan) -> tuple[NodePair, ...]:
    """Pair the nodes of two plans.

    Args:
        before: the plan as it was.
        after: the plan as it is.

    Returns:
        Every node of both once, in the reading order of `after`; what has gone stands where it was.
    """
    old, new = _places(before), _places(after)
    for key in (_by_scan, _by_work):
        _pair(old, new, key)
    # Level by level: what is paired above decides about what is below.
    for depth in range(max(place.depth for place in new) + 1):
        _pair(old, (place for place in new if place.depth == depth), _by_parent)
    return tuple(_in_order(old, new))


def _places(plan: Plan) -> list[_Place]:
    order: list[_Place] = []
    pending: list[tuple[PlanNode, _Place | None]] = [(plan.root, None)]
    while pending:
        node, parent = pending.pop()
        place = _Place(node, parent.depth + 1 if parent else 0, parent, len(order), _scan(node))
        order.append(place)
        pending.extend((child, place) for child in reversed(node.children))
    below: list[set[Hashable]] = [set() for _ in order]
    for place in reversed(order):
        scans = below[place.position]
        if place.scan is not None:
            scans.add(place.scan)
        place.scans = frozenset(scans)
        if place.parent is not None:
            below[place.parent.position] |= scans
    return order


def _scan(node: PlanNode) -> Hashable:
    """What a scan reads, and under which name; `None` for a node that is no scan."""
    names = (node.attributes[key] for key in _SCANS_BY_NAME if key in node.attributes)
    name = node.relation_name or next(names, None)
    if name is None or node.node_type in _PARTS_OF_A_SCAN or node.node_type == "ModifyTable":
        return None
    return str(name), node.alias


def _by_scan(place: _Place) -> Hashable:
    return place.scan


def _by_work(place: _Place) -> Hashable:
    """The kind of work, and the scans whose rows it works on."""
    if place.scan is not None or not place.scans:
        return None
    return _family(place.node), place.node.subplan_name, place.scans


def _by_parent(place: _Place) -> Hashable:
    """The kind of work, and the pair of nodes above, whichever of the two it is below."""
    family = _family(place.node)
    # A join of other tables does other work, wherever it stands.
    if place.scan is not None or (family == "join" and place.scans):
        return None
    above = frozenset(id(item) for item in (place.parent, place.parent and place.parent.other) if item)
    return family, place.node.subplan_name, above


def _family(node: PlanNode) -> str:
    return _FAMILIES.get(node.node_type, node.node_type)


def _pair(old: Iterable[_Place], new: Iterable[_Place], key: Callable[[_Place], Hashable]) -> None:
    """Pair what is alike and still alone, in reading order."""
    waiting: defaultdict[Hashable, deque[_Place]] = defaultdict(deque)
    for place in old:
        if place.other is None and (name := key(place)) is not None:
            waiting[name].append(place)
    for place in new:
        name = key(place) if place.other is None else None
        if name is not None and waiting[name]:
            place.other = waiting[name].popleft()
            place.other.other = place


def _in_order(old: list[_Place], new: list[_Place]) -> Iterator[NodePair]:
    gone = iter([place for place in old if place.other is None])
    next_gone = next(gone, None)
    for place in new:
        while next_gone is not None and place.other is not None and next_gone.position < place.other.position:
            yield NodePair(next_gone.node, None, before_depth=next_gone.depth)
            next_gone = next(gone, None)
        other = place.other
        if other is None:
            yield NodePair(None, place.node, after_depth=place.depth)
        else:
            yield NodePair(other.node, place.node, other.depth, place.depth)
    while next_gone is not None:
        yield NodePair(next_gone.node, None, before_depth=next_gone.depth)
        next_gone = next(gone, None)
