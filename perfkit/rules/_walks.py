"""Statements of one shape that walk over data in pages or ranges: batches already, not one lookup a row."""

from perfkit.model.query import Member
from perfkit.rules._statements import (
    compares_besides_range,
    compares_key,
    has_inclusive_bound,
    has_key_list,
    has_offset,
    has_range,
    has_range_of_keys,
    is_keyset_page,
)

# From ten rows a statement on it is chunking on purpose, as with lists of keys (reference notes on detectors,
# section 3.1).
MIN_BATCH_ROWS = 10.0


def is_walk(members: list[Member]) -> bool:
    """Whether they read a table piece by piece: pages by OFFSET or by the last key, or ranges of many rows.

    By OFFSET it is a walk where the offset changes. One that stays the same skips nothing anew: SQLAlchemy
    writes `LIMIT ? OFFSET ?` for SQLite wherever there is a LIMIT, as for the last post of each author. An
    offset that is not known may change.

    A range, `BETWEEN ? AND ?`, is a batch where the statements return ten rows or more on average: always if
    it is one of keys, and of other columns if no value was bound to another one. Else it narrows the rows of
    that value. And `product_id = ? AND since <= ?`
    with `ORDER BY` and `LIMIT` finds the one row that is valid then: those are lookups.

    Args:
        members: the statements that one line sends in one shape.
    """
    spans = [span for _, span in members]
    first = spans[0]
    if first.relationship:
        return False
    if has_offset(first):
        offsets = {span.offset_fingerprint for span in spans}
        if len(offsets) > 1 or None in offsets:
            return True
    rows = sum(span.returned_rows or 0 for span in spans)
    has_key = compares_key(first)
    if is_keyset_page(first):
        return not (has_key and has_inclusive_bound(first) and rows <= len(spans))
    if not has_range(first) or has_key_list(first) or rows < MIN_BATCH_ROWS * len(spans):
        return False
    return has_range_of_keys(first) or not compares_besides_range(first)
