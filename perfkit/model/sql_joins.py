"""The joins of a statement, taken apart as far as its text tells: do they multiply rows?"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from perfkit.model.sql_tree import conjuncts, parsed

_PLACEHOLDER = re.compile(r"\?|…")


@dataclass(frozen=True, slots=True)
class Joins:
    """What multiplies rows.

    `collections` are the tables that outer joins attach side by side to the same key of one table, each of
    which may hold many matches. `unrelated` are tables of FROM that no condition ties to each other.
    """

    collections: tuple[str, ...] = ()
    unrelated: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1024)
def read_joins(text: str, system_name: str = "postgresql") -> Joins:
    """Read the joins of a statement.

    Args:
        text: a statement's shape, with `?` for values and `(…)` for lists of them.
        system_name: `postgresql`, `sqlite`, `mysql` or `mariadb`.

    Returns:
        The tables that multiply rows, or may. Nothing where rows are grouped or made distinct, and where
        the text cannot be read.
    """
    tree = _select(text, system_name)
    if tree is None or tree.args.get("group") or tree.args.get("distinct"):
        return Joins()
    derived = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    return Joins(_sibling_collections(tree, derived), _unrelated_tables(tree, derived))


def _select(text: str, system_name: str) -> Any:
    """The tree of a SELECT; `None` for everything else and for what cannot be read."""
    dialect = "mysql" if system_name in ("mysql", "mariadb") else "postgres"
    tree = parsed(_PLACEHOLDER.sub("0", text), dialect)
    return tree if isinstance(tree, exp.Select) else None


def _sibling_collections(tree: Any, derived: set[str]) -> tuple[str, ...]:
    """The tables of the outer joins that start from the same key of the same table; the largest such set."""
    names = {table.alias_or_name: table.name for table in tree.find_all(exp.Table)}
    collections: dict[frozenset[tuple[str, str]], list[str]] = {}
    for join in tree.args.get("joins") or ():
        inner = _joined_tables(join.this, derived)
        on = join.args.get("on")
        if str(join.side).upper() != "LEFT" or not inner or on is None or _is_narrowed(on, inner):
            continue
        pairs = list(_column_pairs(on, inner))
        if pairs and all(_is_collection(outer, child, names) for outer, child in pairs):
            key = frozenset((outer.table, outer.name) for outer, _ in pairs)
            collections.setdefault(key, []).append(names.get(inner[-1], inner[-1]))
    largest: list[str] = max(collections.values(), key=len, default=[])
    return tuple(largest)


def _joined_tables(joined: Any, derived: set[str]) -> list[str]:
    """Names of the plain tables that one join adds; none for sub-queries, functions and LATERAL."""
    is_nested = isinstance(joined, exp.Subquery) and isinstance(joined.this, exp.Table)
    if not is_nested and not _is_plain_table(joined, derived):
        return []
    return [table.alias_or_name for table in joined.find_all(exp.Table)]


def _is_plain_table(node: Any, derived: set[str]) -> bool:
    is_table = isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier)
    return is_table and node.name not in derived


def _is_narrowed(on: Any, inner: list[str]) -> bool:
    """Whether the joined table is also compared with a value, as one row of many attributes is picked."""
    for equal in on.find_all(exp.EQ):
        columns = list(equal.find_all(exp.Column))
        if len(columns) == 1 and columns[0].table in inner:
            return True
    return False


def _column_pairs(on: Any, inner: list[str]) -> Iterator[tuple[Any, Any]]:
    """Which column outside the join equals which column inside it."""
    for equal in on.find_all(exp.EQ):
        left, right = equal.left, equal.right
        if not (isinstance(left, exp.Column) and isinstance(right, exp.Column)):
            continue
        if right.table in inner and left.table and left.table not in inner:
            yield left, right
        elif left.table in inner and right.table and right.table not in inner:
            yield right, left


def _is_collection(outer: Any, child: Any, names: dict[str, str]) -> bool:
    """Whether many rows may match: the parent's key in the child, not the child's key in the parent."""
    child_table = names.get(child.table, child.table)
    if _is_own_key(child.name, child_table):
        return False
    outer_table = names.get(outer.table)
    # A sub-query of SQLAlchemy's names its columns table_column, so that its keys look like foreign ones.
    return outer_table is None or not outer.name.endswith("_id") or _is_own_key(outer.name, outer_table)


def _is_own_key(column: str, table: str) -> bool:
    """Whether a column is, by its name, the key of its own table: id, or author_id of authors."""
    column, table = column.lower(), table.lower()
    return column == "id" or column in (f"{table}_id", f"{table.removesuffix('s')}_id")


def _unrelated_tables(tree: Any, derived: set[str]) -> tuple[str, ...]:
    """One table of each part of FROM that nothing ties to the others; empty where that is not certain."""
    start = tree.args.get("from_") or tree.args.get("from")
    joins = tree.args.get("joins") or []
    if start is None or not all(_is_plain_table(node.this, derived) for node in (start, *joins)):
        return ()
    conditions = []
    for join in joins:
        on = join.args.get("on")
        if on is not None and on.find(exp.Column):
            conditions.append(on)
        elif on is not None or join.args.get("using") or not _is_comma(join):
            return ()  # written on purpose
    if where := tree.args.get("where"):
        conditions.append(where.this)
    tables = [node.this.alias_or_name for node in (start, *joins)]
    return _unconnected(tables, [part for condition in conditions for part in conjuncts(condition)])


def _is_comma(join: Any) -> bool:
    return not (join.side or join.kind or join.method)


def _unconnected(tables: list[str], conditions: list[Any]) -> tuple[str, ...]:
    parts = [{table} for table in tables]
    for condition in conditions:
        columns = list(condition.find_all(exp.Column))
        if any(not column.table for column in columns):
            return ()
        if len(columns) == 1 and isinstance(condition, exp.EQ) and _is_own_key(columns[0].name, ""):
            return ()  # one side is a single row
        tied = {column.table for column in columns}
        touched = [part for part in parts if part & tied]
        parts = [part for part in parts if not part & tied] + ([set().union(*touched)] if touched else [])
    return tuple(sorted(min(part) for part in parts)) if len(parts) > 1 else ()
