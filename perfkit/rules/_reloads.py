"""Relationships that are loaded again because their owner was: the cause is a commit or a refresh."""

import re

from perfkit.model.location import CodeLocation
from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._orm_classes import owner_of
from perfkit.rules._statements import has_key_list

# So many relationships of one object are looked at.
_MOST_ATTRIBUTES = 10
_TABLE = re.compile(r"\bFROM\s+([\w.\"]+)", re.IGNORECASE)


def are_reloads(members: list[Member], trace: Trace) -> bool:
    """Whether each of these lazy loads follows a new load of its owner, and was loaded together before.

    SQLAlchemy loads an expired object again together with what its model loads eagerly, one object at a time.
    That it was loaded eagerly is told by an earlier statement, in old traces by one for the same table with a
    list of keys. Without one, the attribute is loaded one by one anyway.

    Args:
        members: lazy loads of one relationship by one line.
        trace: their block.
    """
    if not members[0][1].relationship:
        return False
    queries = trace.queries or ()
    if not all(_follows_its_owner(queries, index) for index, _ in members):
        return False
    relationship, table = members[0][1].relationship, _table(members[0][1])
    earlier = queries[: members[0][0]]
    if any(span.eager_paths for span in earlier):
        return any(relationship in path for span in earlier for path in span.eager_paths)
    return any(has_key_list(span) and _table(span) == table for span in earlier)


def _follows_its_owner(queries: tuple[QuerySpan, ...], index: int) -> bool:
    """Whether the line loaded the object again just before, and nothing but relationships since."""
    span = queries[index]
    for earlier in reversed(queries[max(0, index - _MOST_ATTRIBUTES) : index]):
        if _sender(earlier) != _sender(span):
            return False
        if earlier.column_load_kind in ("expired", "refresh"):
            return earlier.column_load in (owner_of(span), *span.owner_bases)
        if not earlier.relationship:
            return False
    return False


def _sender(span: QuerySpan) -> tuple[CodeLocation | None, int, str | None]:
    return span.call_site, span.thread_id, span.task_id


def _table(span: QuerySpan) -> str | None:
    found = _TABLE.search(span.query_text)
    return found[1] if found else None
