"""Sub-queries that a node calls for its rows: what ties them to the row, and how they are asked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from perfkit.model.plan import PlanNode
from perfkit.model.plan_predicates import predicates
from perfkit.model.sql_names import unquoted

__all__ = ["Correlation", "correlation", "is_asked_for_existence", "negated_search", "subplans"]

_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")
# A column of another table, perhaps cast to text as a varchar is.
_OUTER = re.compile(r'\(?(?P<column>(?P<table>\w+|"[^"]+")\.(?:\w+|"[^"]+"))\)?(?:::text)?')
# PostgreSQL 17 and later write out what is compared, and `hashed` before a sub-query that was hashed.
_NEGATED = re.compile(
    r"(?:NOT \(ANY \((?P<column>[^=]+?) = |ALL \((?P<other>[^<]+?) <> )\((?P<name>SubPlan \d+)\)\.col1\)"
)
# Up to 16 it is not said how the sub-query is asked; the statement must tell.
_OLD_NEGATED = re.compile(r"NOT \((?P<name>SubPlan \d+)\)")
_NOT_IN = re.compile(r"\bNOT\s+IN\s*\(|<>\s*ALL\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Correlation:
    """What ties a sub-query to the row it is run for: `column` of the scan equals `outer_value`."""

    scan: PlanNode
    column: str
    outer_value: str


@dataclass(frozen=True, slots=True)
class NegatedSearch:
    """A `NOT IN` that goes through the rows of a sub-query; `column` is empty where it is not known."""

    subplan: PlanNode
    column: str


def subplans(node: PlanNode) -> Iterator[PlanNode]:
    """The sub-queries that a node calls for its rows."""
    return (child for child in node.children if child.parent_relationship == "SubPlan")


def correlation(subplan: PlanNode) -> Correlation | None:
    """What ties a sub-query to the row it is run for.

    Args:
        subplan: its first node.

    Returns:
        The first equality of one of its tables with a column from outside; `None` without one.
    """
    inside = {name for node in subplan.walk() for name in (node.alias, node.relation_name) if name}
    for node in subplan.walk():
        if not node.relation_name:
            continue
        for predicate in (item for name in _CONDITIONS for item in predicates(node, name)):
            outer = _OUTER.fullmatch(predicate.value) if predicate.operator == "=" else None
            if outer and predicate.column and unquoted(outer["table"]) not in inside:
                return Correlation(node, predicate.column, outer["column"])
    return None


def is_asked_for_existence(parent: PlanNode, subplan: PlanNode) -> bool:
    """Whether only the existence of a row is asked for, as far as PostgreSQL 17 and later say."""
    wanted = f"EXISTS({subplan.subplan_name})"
    return any(wanted in text for text in _texts(parent))


def negated_search(node: PlanNode, statement: str) -> NegatedSearch | None:
    """The `NOT IN` in a node's filter that looks through the rows of a sub-query one after the other.

    Args:
        node: a node with a filter.
        statement: the statement's text, which tells NOT IN from NOT EXISTS up to PostgreSQL 16.

    Returns:
        `None` where there is none, or the sub-query was hashed.
    """
    text = str(node.attributes.get("Filter", ""))
    found = _NEGATED.search(text)
    if found is None and _NOT_IN.search(statement):
        found = _OLD_NEGATED.search(text)
    for subplan in subplans(node) if found else ():
        if found and subplan.subplan_name == found["name"]:
            parts = found.groupdict()
            return NegatedSearch(subplan, (parts.get("column") or parts.get("other") or "").strip())
    return None


def _texts(node: PlanNode) -> Iterator[str]:
    for value in node.attributes.values():
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))
