"""The two sides of a join in a plan, and what ties them to each other."""

import functools
import re
from collections.abc import Iterable, Iterator

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_scans import condition_arms, number

# A look-up by an index took 0.001 to 0.003 ms in our measurements, EXPLAIN's own clock included.
LOOK_UP_MS = 0.005
_QUALIFIER = re.compile(r"""(?<![\w."])(?:(\w+)|"((?:[^"]|"")+)")\.""")
_STRING = re.compile(r"'(?:[^']|'')*'")
_SCAN_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")
_JOIN_CONDITIONS = ("Hash Cond", "Merge Cond", "Join Filter")
# What stands after an equals sign and is no column.
_VALUE = re.compile(r"= (?:ANY \()?('(?:[^']|'')*'|\?|-?\d[\d.]*|\$\d+|\(InitPlan \d+\)\.col\d+)")


def join_sides(join: PlanNode) -> tuple[PlanNode, PlanNode] | None:
    """The outer and the inner side of a join; the inner one is searched, or hashed, for the outer's rows."""
    sides = {child.parent_relationship: child for child in join.children}
    outer, inner = sides.get("Outer"), sides.get("Inner")
    return (outer, inner) if outer is not None and inner is not None else None


def aliases_below(node: PlanNode) -> frozenset[str]:
    """The names by which the conditions of a plan call what this part of it reads."""
    return frozenset(item.alias for item in node.walk() if item.alias)


def mentions(node: PlanNode, aliases: Iterable[str]) -> bool:
    """Whether anything in this part of a plan speaks of a column of one of these.

    Args:
        node: the top of the part.
        aliases: names as `aliases_below` gives them.
    """
    wanted = frozenset(aliases)
    return any(not wanted.isdisjoint(_qualifiers(text)) for item in node.walk() for text in texts(item))


def _mentioned(node: PlanNode) -> frozenset[str]:
    """Every name whose column anything in this part of a plan speaks of."""
    return frozenset().union(*(_qualifiers(text) for item in node.walk() for text in texts(item)))


@functools.lru_cache(maxsize=4096)
def _qualifiers(text: str) -> frozenset[str]:
    """The names that stand before a dot. A plan's rules ask for the same texts again and again."""
    return frozenset(match[1] or match[2] for match in _QUALIFIER.finditer(text))


def texts(node: PlanNode) -> Iterator[str]:
    """Everything that the database says of a node in words, without the strings in it."""
    for value in node.attributes.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str):
                yield _STRING.sub("''", text)


def rows_removed_by_join(join: PlanNode) -> float:
    """Pairs of rows that the join's condition threw away, over all loops."""
    return number(join, "Rows Removed by Join Filter") * (join.actual_loops or 0)


def equal_columns(scan: PlanNode, condition: object) -> list[str]:
    """The columns of a scan's table that a condition compares for equality, written as SQL wants them.

    Args:
        scan: a scan of one table.
        condition: as EXPLAIN writes it; columns of other tables are values to it.
    """
    arms = condition_arms(scan, condition)
    return list(dict.fromkeys(arm.column for arm in arms if arm.kind == "equality" and arm.column))


def tied_by_condition(plan: Plan, left: PlanNode, right: PlanNode) -> bool:
    """Whether any one condition of a plan names columns of both parts, or both hang on the same third.

    Two small tables may be multiplied on purpose, to look up a large one by the keys of both; and a part of
    a plan that runs once for each row of another is tied by that row.
    """
    ours, theirs = aliases_below(left), aliases_below(right)
    conditions = (_qualifiers(text) for node in plan.nodes() for text in _conditions(node))
    if any(not ours.isdisjoint(named) and not theirs.isdisjoint(named) for named in conditions):
        return True
    others = aliases_below(plan.root) - ours - theirs
    return not others.isdisjoint(_mentioned(left) & _mentioned(right))


def _conditions(node: PlanNode) -> Iterator[str]:
    for name in (*_SCAN_CONDITIONS, *_JOIN_CONDITIONS):
        text = node.attributes.get(name)
        if isinstance(text, str):
            yield _STRING.sub("''", text)


def shared_values(left: PlanNode, right: PlanNode) -> bool:
    """Whether both parts compare something with the same value.

    For `a.id = b.id AND a.id = 5` the planner tests both for 5 and joins by nothing.
    """
    return bool(_compared_values(left) & _compared_values(right))


def _compared_values(part: PlanNode) -> frozenset[str]:
    conditions = (str(node.attributes.get(name, "")) for node in part.walk() for name in _SCAN_CONDITIONS)
    return frozenset(match[1] for text in conditions for match in _VALUE.finditer(text))
