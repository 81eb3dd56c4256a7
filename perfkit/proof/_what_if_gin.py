"""Conditions that look into a value: JSON, arrays, words, parts of a text. A GIN index answers those."""

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from perfkit.model.catalog import Table
from perfkit.model.plan import PlanNode
from perfkit.proof._what_if_conditions import own_columns, row_conditions, written
from perfkit.proof._what_if_designs import Key

# `jsonb_path_ops` knows these and is smaller; the default class also knows the operators for keys.
_CONTAINS = (exp.ArrayContainsAll, exp.ArrayOverlaps, exp.JSONBPathExists)
_KEYS = (exp.JSONBContainsTopKey, exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys)
_PATTERNS = (exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike)
_PATH_CLASS, _TRIGRAM_CLASS = "jsonb_path_ops", "gin_trgm_ops"


def gin_keys(scan: PlanNode, table: Table, trigrams: str | None) -> tuple[Key, ...]:
    """What a GIN index could hold to answer conditions of a scan.

    Args:
        scan: its filter is looked at.
        table: what the catalogue says of its columns.
        trigrams: the schema, as SQL wants it, of the extension `pg_trgm`; `None` where it is not installed.
    """
    found = (_key(item, scan, table, trigrams) for item in row_conditions(scan))
    return tuple(dict.fromkeys(key for key in found if key is not None))


def any_of_array(scan: PlanNode, table: Table) -> Iterator[str]:
    """Array columns that are asked `value = ANY (column)`, which no index answers."""
    for item in row_conditions(scan):
        column = item.expression.this.unnest() if isinstance(item, exp.EQ) and _is_any(item) else None
        if isinstance(column, exp.Column) and _type(column, table).endswith("[]"):
            yield column.name


def _is_any(comparison: Any) -> bool:
    return isinstance(comparison.expression, exp.Any)


def _key(tree: Any, scan: PlanNode, table: Table, trigrams: str | None) -> Key | None:
    if isinstance(tree, exp.MatchAgainst):
        return _matched(tree, scan, table)
    if isinstance(tree, _PATTERNS):
        return _pattern(tree, scan, trigrams)
    if not isinstance(tree, (*_CONTAINS, *_KEYS)) or not _is_own(tree.this, scan):
        return None
    kind = _type(tree.this.unnest(), table)
    if kind == "jsonb":
        return _written_key(tree.this, "" if isinstance(tree, _KEYS) else _PATH_CLASS)
    return _written_key(tree.this, "") if kind.endswith("[]") else None


def _matched(tree: Any, scan: PlanNode, table: Table) -> Key | None:
    """`document @@ query`: words of a text, or a path of JSON."""
    document = tree.expressions[0] if tree.expressions else None
    if document is None or not _is_own(document, scan):
        return None
    kind = _type(document.unnest(), table)
    if kind in ("tsvector", "jsonb"):
        return _written_key(document, _PATH_CLASS if kind == "jsonb" else "")
    function = document.unnest()
    is_vector = isinstance(function, exp.Anonymous) and function.name.lower() == "to_tsvector"
    return _written_key(document, "") if is_vector else None


def _pattern(tree: Any, scan: PlanNode, trigrams: str | None) -> Key | None:
    """A pattern that may begin anywhere, or in any case, where the extension for it is installed."""
    subject, pattern = tree.this.unnest(), tree.expression.unnest()
    if isinstance(subject, exp.Cast):
        subject = subject.this.unnest()
    pattern = pattern.this.unnest() if isinstance(pattern, exp.Cast) else pattern
    is_prefix = isinstance(tree, exp.Like) and not str(getattr(pattern, "this", "")).startswith(("%", "_"))
    if trigrams is None or is_prefix or not _is_own(subject, scan):
        return None
    return _written_key(subject, f"{trigrams}.{_TRIGRAM_CLASS}")


def _is_own(tree: Any, scan: PlanNode) -> bool:
    return bool(own_columns(tree, scan))


def _type(tree: Any, table: Table) -> str:
    """The type of a column, of what `->` takes out of JSON, and of nothing else."""
    if isinstance(tree, exp.Column):
        column = table.column(tree.name)
        return column.type_name if column else ""
    is_jsonb = isinstance(tree, exp.JSONExtract) and _type(tree.this.unnest(), table) == "jsonb"
    return "jsonb" if is_jsonb else ""


def _written_key(tree: Any, opclass: str) -> Key:
    tree = tree.unnest()
    return Key(written(tree), opclass=opclass, is_expression=not isinstance(tree, exp.Column))
