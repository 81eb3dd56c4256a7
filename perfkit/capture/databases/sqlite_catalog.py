"""What SQLite knows about the tables of a plan. Nothing here writes, and nothing reads a whole table."""

import re

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.model.catalog import Column, Index, Table
from perfkit.model.sql_names import quoted

_KEPT = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
_COLUMNS = 'SELECT name, type, "notnull" FROM pragma_table_xinfo(?) WHERE hidden <> 1'
_INDEXES = """
SELECT i.name, i."unique", i.partial,
       (SELECT sql FROM sqlite_master m WHERE m.type = 'index' AND m.name = i.name)
FROM pragma_index_list(?) i ORDER BY i.name
"""
_PARTS = 'SELECT cid, name, "desc", coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno'
# The first number of each line is how many rows the table, or a partial index of it, had.
_COUNTED = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = ?"
_ANALYZED = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"
_EXPRESSION = -2
_WHERE = re.compile(r"\)\s*WHERE\s+(.*)\Z", re.IGNORECASE | re.DOTALL)


def tables_of(connection: Connection, names: list[str]) -> dict[str, Table]:
    """Those of these names that are tables of the main database.

    `Table.rows` is what ANALYZE counted, -1 if it was never run; `Table.live_rows` the largest row number, of
    which rows that were deleted count too. Sizes are not known.
    """
    is_analyzed = bool(connection.exec_driver_sql(_ANALYZED).scalar())
    found = {name: _table(connection, name, is_analyzed) for name in names}
    return {name: table for name, table in found.items() if table}


def _table(connection: Connection, name: str, is_analyzed: bool) -> Table | None:
    kept = connection.exec_driver_sql(_KEPT, (name,)).scalar()
    if kept is None:
        return None  # a view, a sub-query, or a table of another database
    counted = connection.exec_driver_sql(_COUNTED, (kept,)).scalar() if is_analyzed else None
    return Table(
        quoted(kept),
        -1.0 if counted is None else float(counted),
        0,
        "r",
        False,
        tuple(
            Column(column, kind.lower(), is_nullable=not is_required)
            for column, kind, is_required in connection.exec_driver_sql(_COLUMNS, (kept,))
        ),
        tuple(_index(connection, *index) for index in connection.exec_driver_sql(_INDEXES, (kept,)).all()),
        schema="main",
        relation_name=name,
        live_rows=_largest_row_number(connection, kept),
        is_analyzed=counted is not None,
    )


def _largest_row_number(connection: Connection, name: str) -> float | None:
    """Found at once, at the end of the table. A table `WITHOUT ROWID` has none."""
    quotes = name.replace('"', '""')
    query = f'SELECT max(rowid) FROM "{quotes}"'  # noqa: S608 - a name cannot be bound, so it is quoted
    try:
        return float(connection.exec_driver_sql(query).scalar() or 0)
    except (SQLAlchemyError, TypeError, ValueError):
        return None


def _index(connection: Connection, name: str, is_unique: int, is_partial: int, sql: str | None) -> Index:
    parts = connection.exec_driver_sql(_PARTS, (name,)).all()
    condition = _WHERE.search(sql or "") if is_partial else None
    return Index(
        name,
        "btree",
        is_valid=True,
        predicate=condition[1].strip() if condition else None,
        keys=tuple(
            "(expression)" if number == _EXPRESSION else quoted(key or "rowid") for number, key, *_ in parts
        ),
        include=(),
        opclasses=tuple("" if collation == "BINARY" else collation for *_, collation in parts),
        descending=tuple(bool(is_descending) for _, _, is_descending, _ in parts),
        is_unique=bool(is_unique),
    )
