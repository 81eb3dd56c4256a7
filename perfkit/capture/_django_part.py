"""What a query set of a related manager asks of its relation, where that is not all of it.

Objects that were prefetched answer for the whole relation alone: a query set that was filtered, ordered or
cut is sent again, whatever was prefetched.
"""

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

# Methods that ask for no objects, by the name of their frame.
_ANSWERS = {
    "QuerySet.count": "count",
    "QuerySet.exists": "exists",
    "QuerySet.aggregate": "aggregate",
}
_ALL_COLUMNS = (frozenset[str](), True)


def part_of_relation(queryset: Any, relation: Any, frames: Iterable[FrameType]) -> tuple[str, ...]:
    """What was asked of a relation besides its owner.

    Args:
        queryset: the innermost query set on the stack.
        relation: the field, or what leads back to one, by which it was made.
        frames: Django's frames, innermost first.

    Returns:
        Some of `filter`, `order`, `values` (columns, or what else changes the objects), `first`, `slice`,
        `count`, `exists` and `aggregate`; `links` where the rows that link both models are enough; nothing
        for the whole relation. What the program changed is not told where the model has a manager that
        changes its query sets itself.
    """
    names = {entry.f_code.co_qualname for entry in frames}
    query = queryset.query
    if queryset.model is relation.related_model:
        parts = [*_changes(queryset, query, relation), *_limits(query, names)]
    else:  # the rows that link the two are counted without them
        parts = ["links"]
    return (*parts, *(part for name, part in _ANSWERS.items() if name in names))


def _changes(queryset: Any, query: Any, relation: Any) -> list[str]:
    if not _is_plain(queryset.model._default_manager):
        return []
    parts = []
    if _conditions(query.where) > _own_conditions(relation):
        parts.append("filter")
    if query.order_by:
        parts.append("order")
    if (
        queryset._fields is not None
        or queryset._prefetch_related_lookups
        or query.distinct
        or query.select_related
        or query.annotations
        or query.deferred_loading != _ALL_COLUMNS
    ):
        parts.append("values")
    return parts


def _limits(query: Any, names: set[str]) -> list[str]:
    """`get` asks for a few objects to tell that there is no second."""
    if not query.is_sliced or "QuerySet.get" in names:
        return []
    is_first = not query.low_mark and query.high_mark == 1
    return ["first" if is_first and "QuerySet.exists" not in names else "slice"]


def _is_plain(manager: Any) -> bool:
    """Whether a manager leaves its query sets as Django makes them."""
    base = getattr(sys.modules.get("django.db.models.manager"), "BaseManager", None)
    return base is not None and type(manager).get_queryset is base.get_queryset


def _conditions(node: Any) -> int:
    children = getattr(node, "children", None)
    return 1 if children is None else sum(map(_conditions, children))


def _own_conditions(relation: Any) -> int:
    """How many conditions find the objects of one owner: a generic relation compares the type too."""
    if hasattr(relation, "content_type_field_name"):
        return 2
    field = getattr(relation, "field", None)
    return len(field.foreign_related_fields) if relation.one_to_many and field is not None else 1
