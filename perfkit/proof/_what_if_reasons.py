"""Why an index is not worth trying, or exists and is not used."""

import re
from collections.abc import Iterator
from dataclasses import replace

from perfkit.model.catalog import Index
from perfkit.model.plan import Plan
from perfkit.model.sql_names import quoted
from perfkit.model.wording import counted
from perfkit.proof._what_if_conditions import Expression
from perfkit.proof._what_if_designs import IndexDesign, Key, existing, unquoted
from perfkit.proof._what_if_gin import any_of_array
from perfkit.proof._what_if_wanted import Wanted, design_for

# Below that, reading the whole table is as fast (reference notes on EXPLAIN, section 5: reject).
MIN_ROWS = 1000
_KINDS = {"f": "a foreign table", "p": "a partitioned table"}


def unfit(wanted: Wanted) -> str | None:
    """Why no index on this table is tried at all; `None` where it is fit."""
    table, scan = wanted.table, wanted.scan
    if table.kind in _KINDS:
        return f"{table.name} is {_KINDS[table.kind]}; perfkit does not try indexes on those."
    if table.is_partition:
        return f"{table.name} is a partition: its index belongs to the whole table, which is not tried."
    rows = table.rows if table.rows >= 0 else (scan.total_rows or 0) + (scan.total_rows_removed or 0)
    if rows < MIN_ROWS:
        return f"The table has {counted(rows, 'row')}; below {MIN_ROWS:,} reading all of them is as fast."
    return None


def judged(wanted: Wanted, design: IndexDesign) -> IndexDesign:
    """The design with the reason not to try it, if there is one.

    Where an index exists that is not valid, a valid one is tried, and building it again is the advice.
    """
    if design.rejection:
        return design
    index = existing(design)
    if index is None:
        return replace(design, rejection=_adds_nothing(wanted, design))
    if not index.is_valid:
        name = _qualified(wanted, index)
        note = f"{index.name} exists but is not used because it is not valid: building it failed."
        return replace(design, paste=f"REINDEX INDEX CONCURRENTLY {name};", note=note)
    return replace(design, rejection=_why_unused(wanted, index))


def _qualified(wanted: Wanted, index: Index) -> str:
    """The name of an index as SQL wants it: it lives in the schema of its table."""
    schema = wanted.table.shown_name.rpartition(".")[0]
    return f"{schema}.{quoted(index.name)}" if schema else quoted(index.name)


def _adds_nothing(wanted: Wanted, design: IndexDesign) -> str | None:
    """A unique index on fewer columns finds the one row already."""
    equal = {unquoted(key.text) for key in design.keys[: design.equal]}
    for index in wanted.table.indexes:
        is_whole = index.is_unique and index.is_valid and index.predicate is None
        if is_whole and set(map(unquoted, index.keys)) < equal:
            keys = ", ".join(index.keys)
            return f"{index.name} is unique on {keys} and finds one row: more columns add nothing."
    return None


def _why_unused(wanted: Wanted, index: Index) -> str:
    if any(node.index_name == index.name for node in wanted.scan.walk()):
        return f"{index.name} exists and is what the plan uses already."
    off = disabled(wanted.plan, index.method)
    if off:
        return f"{index.name} exists but is not used because the session has {' and '.join(off)} off."
    if _is_collated(wanted, index):
        return (
            f"{index.name} exists but is not used because the statement compares in another collation than "
            "the index: leave COLLATE out, or make an index with that collation."
        )
    rows = f"{wanted.scan.total_rows or 0:,.0f} of {counted(max(wanted.table.rows, 0), 'row')} wanted"
    return (
        f"{index.name} exists but is not used because the planner expects another way to be cheaper: {rows}."
    )


def disabled(plan: Plan, method: str = "btree") -> list[str]:
    """The settings of the session that keep indexes of this kind from being used."""
    ways = ("enable_bitmapscan",) if method == "gin" else ("enable_indexscan", "enable_bitmapscan")
    return [name for name in ways if plan.settings.get(name) == "off"]


def _is_collated(wanted: Wanted, index: Index) -> bool:
    """Whether the filter names a collation for the first column of an index."""
    column = re.escape(unquoted(index.keys[0]))
    text = str(wanted.scan.attributes.get("Filter") or "")
    return re.search(rf"\b{column}\b[^()]*\)?(::\w+)?[^()]*COLLATE ", text) is not None


def hopeless(wanted: Wanted) -> Iterator[IndexDesign]:
    """Conditions that look as if an index, or the one that exists, could answer them."""
    for item in wanted.expressions:
        words = _words(wanted, item)
        if words:
            yield replace(_on(wanted, item.columns[0]), rejection=words)
    for column in any_of_array(wanted.scan, wanted.table):
        words = (
            f"No index answers a value = ANY ({column}). Write {column} @> ARRAY[value] instead: a GIN index "
            "answers that."
        )
        yield replace(_on(wanted, column, method="gin"), rejection=words)


def _words(wanted: Wanted, item: Expression) -> str | None:
    if item.kind == "cast":
        return _cast_words(wanted, item)
    if item.kind == "prefix":
        return _opclass_words(wanted, item.columns[0])
    if item.kind == "infix" and wanted.trigrams is None:
        return (
            "The pattern may begin anywhere or in any case, which a b-tree cannot answer: "
            "it needs the extension pg_trgm, or a full-text search."
        )
    return None


def _opclass_words(wanted: Wanted, column: str) -> str | None:
    """An index in the order of a language cannot find the beginning of a text."""
    names = [index.name for index in wanted.table.indexes if _is_plain(index, column)]
    if not names:
        return None
    return (
        f"{names[0]} exists but is not used because it is in the order of a language: the beginning of a "
        "text is found with the operator class text_pattern_ops."
    )


def _is_plain(index: Index, column: str) -> bool:
    is_first = bool(index.keys) and unquoted(index.keys[0]) == column
    return is_first and index.method == "btree" and index.opclasses[0] == ""


def _on(wanted: Wanted, column: str, method: str = "btree") -> IndexDesign:
    return design_for(wanted, (Key(quoted(column)),), 1, method=method)


def _cast_words(wanted: Wanted, item: Expression) -> str:
    column = item.columns[0]
    first = {unquoted(index.keys[0]): index.name for index in wanted.table.indexes if index.keys}
    subject = f"{first[column]} exists but is not used" if column in first else "An index would not be used"
    return (
        f"{subject} because the statement compares {column} as {item.text}: give the value in the type of "
        "the column."
    )
