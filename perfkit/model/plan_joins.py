"""The two sides of a join in a plan, and what ties them to each other."""

import re
from collections.abc import Iterable, Iterator

from perfkit.model.plan import PlanNode

_STRING = re.compile(r"'(?:[^']|'')*'")


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
    names = "|".join(re.escape(alias) for alias in sorted(aliases))
    if not names:
        return False
    column = re.compile(rf'(?<![\w."])(?:{names}|"(?:{names})")\.')
    return any(column.search(text) for item in node.walk() for text in texts(item))


def texts(node: PlanNode) -> Iterator[str]:
    """Everything that the database says of a node in words, without the strings in it."""
    for value in node.attributes.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str):
                yield _STRING.sub("''", text)


def rows_removed_by_join(join: PlanNode) -> float:
    """Pairs of rows that the join's condition threw away, over all loops."""
    removed = join.attributes.get("Rows Removed by Join Filter")
    return float(removed) * (join.actual_loops or 0) if isinstance(removed, int | float) else 0.0
