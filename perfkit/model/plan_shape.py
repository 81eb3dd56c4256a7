"""What surrounds a node of a plan, and what that says about its numbers."""

from collections.abc import Iterator

from perfkit.model.plan import Plan, PlanNode

# They take all rows from below before they return the first, so what stops them stops nothing below.
_BLOCKING = frozenset({"Sort", "Aggregate", "SetOp", "Recursive Union"})
# They are always filled completely.
_COMPLETE = frozenset({"Hash", "BitmapAnd", "BitmapOr", "Bitmap Index Scan"})
# They hand on the rows of their only child as they are.
_PASSING = frozenset({"Gather", "Gather Merge", "Sort", "Incremental Sort", "LockRows", "Subquery Scan"})
_HALTING_JOINS = frozenset({"Semi", "Anti", "Right Semi", "Right Anti"})


def cut_short(plan: Plan) -> frozenset[int]:
    """Numbers of the nodes that may have been stopped before they returned all their rows.

    Below a `LIMIT`, on the inner side of a join that needs one match only, in a merge join, which ends with
    its shorter side, and in a sub-query that is asked for one row. Their estimates are for all rows, so
    comparing the two says nothing.
    """
    found: set[int] = set()
    for node in plan.nodes():
        for child in node.children:
            if _may_stop(node, child):
                found.update(_reached(child))
    return frozenset(found)


def _may_stop(node: PlanNode, child: PlanNode) -> bool:
    relationship = child.parent_relationship
    if relationship in ("InitPlan", "SubPlan"):
        return not (child.subplan_name or "").startswith("CTE ")
    if node.node_type in ("Limit", "Merge Join"):
        return True
    halting = (
        str(node.attributes.get("Join Type")) in _HALTING_JOINS or node.attributes.get("Inner Unique") is True
    )
    return relationship == "Inner" and halting


def _reached(node: PlanNode) -> Iterator[int]:
    if node.node_type in _COMPLETE:
        return
    yield node.node_id
    if not _is_blocking(node):
        for child in node.children:
            if child.parent_relationship != "InitPlan":
                yield from _reached(child)


def _is_blocking(node: PlanNode) -> bool:
    """An aggregate over sorted rows hands on each group as it ends; the others wait for the last row."""
    return node.node_type in _BLOCKING and node.attributes.get("Strategy") != "Sorted"


def is_stopped_by_limit(plan: Plan, node: PlanNode) -> bool:
    """Whether a `LIMIT` that got all its rows stopped this node."""
    parents = plan.parents
    parent = parents.get(node.node_id)
    while parent is not None and not _is_blocking(parent) and parent.node_type not in _COMPLETE:
        if parent.node_type == "Limit":
            return (parent.actual_rows or 0) >= (parent.plan_rows or 0)
        parent = parents.get(parent.node_id)
    return False


def sort_above(plan: Plan, scan: PlanNode) -> PlanNode | None:
    """The sort that a scan's rows reach with no join and no aggregate between; `None` without one."""
    parents = plan.parents
    parent = parents.get(scan.node_id)
    while parent is not None and parent.node_type in _PASSING:
        if parent.node_type in ("Sort", "Incremental Sort"):
            return parent
        parent = parents.get(parent.node_id)
    return None


def is_limited(plan: Plan, sort: PlanNode) -> bool:
    """Whether only the first rows of a sort are asked for."""
    parents = plan.parents
    parent = parents.get(sort.node_id)
    while parent is not None and parent.node_type in ("Gather Merge", "LockRows"):
        parent = parents.get(parent.node_id)
    return parent is not None and parent.node_type == "Limit"


def scan_below(sort: PlanNode) -> PlanNode | None:
    """The one table scan whose rows a sort orders, with no join and no aggregate between."""
    node = sort
    while node.node_type in _PASSING:
        inner = [child for child in node.children if child.parent_relationship not in ("InitPlan", "SubPlan")]
        if len(inner) != 1:
            return None
        node = inner[0]
    return node if node.relation_name else None


def feeds_nested_loop(plan: Plan, node: PlanNode) -> PlanNode | None:
    """The nested loop whose inner side ran once for each row that came from this node, if one did."""
    parents = plan.parents
    child, parent = node, parents.get(node.node_id)
    while parent is not None:
        if parent.node_type == "Nested Loop" and child.parent_relationship == "Outer":
            return parent
        if parent.node_type == "Aggregate" or child.parent_relationship in ("InitPlan", "SubPlan"):
            return None
        child, parent = parent, parents.get(parent.node_id)
    return None
