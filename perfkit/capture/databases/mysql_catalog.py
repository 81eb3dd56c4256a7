"""What the catalogue of MariaDB and MySQL says about the tables of a plan. Everything here only reads."""

from collections import defaultdict
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.engine import Connection

from perfkit.model.catalog import Column, Index, Table


def _query(sql: str) -> TextClause:
    return text(f"{sql} WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN :names").bindparams(
        bindparam("names", expanding=True)
    )


_TABLES = _query(
    "SELECT TABLE_NAME, TABLE_SCHEMA, coalesce(TABLE_ROWS, -1), coalesce(DATA_LENGTH, 0)"
    " FROM information_schema.TABLES"
)
_COLUMNS = _query(
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE = 'YES'"
    " FROM information_schema.COLUMNS"
)
_INDEXES = _query(
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, INDEX_TYPE, NON_UNIQUE, coalesce(COLLATION, 'A') = 'D',"
    " SEQ_IN_INDEX FROM information_schema.STATISTICS"
)


def tables_of(connection: Connection, names: list[str]) -> dict[str, Table]:
    """The tables of these names in the current database."""
    columns: defaultdict[str, list[Column]] = defaultdict(list)
    for table, name, kind, collation, is_nullable in connection.execute(_COLUMNS, {"names": names}):
        columns[table].append(Column(name, kind, collation=collation, is_nullable=bool(is_nullable)))
    parts: defaultdict[str, defaultdict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for table, index, *part in connection.execute(_INDEXES, {"names": names}):
        parts[table][index].append(part)
    return {
        name: Table(
            _quoted(name),
            float(rows),
            int(size),
            "r",
            False,
            tuple(columns[name]),
            tuple(_index(index, found) for index, found in parts[name].items()),
            schema=schema,
            relation_name=name,
        )
        for name, schema, rows, size in connection.execute(_TABLES, {"names": names})
    }


def _index(name: str, parts: list[Any]) -> Index:
    """A part without a column is an expression (MySQL 8)."""
    ordered = sorted(parts, key=lambda part: part[4])
    return Index(
        name,
        ordered[0][1].lower(),
        is_valid=True,
        predicate=None,
        keys=tuple(_quoted(part[0]) if part[0] else "(expression)" for part in ordered),
        include=(),
        opclasses=("",) * len(ordered),
        descending=tuple(bool(part[3]) for part in ordered),
        is_unique=not ordered[0][2],
    )


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else "`" + name.replace("`", "``") + "`"
