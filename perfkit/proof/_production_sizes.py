"""The sizes and statistics that a throwaway clone is told. Everything here happens in the clone."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from perfkit.model.catalog import ForeignKey, Table
from perfkit.proof._production_dump import RestoreCall
from perfkit.proof._production_files import MAX_BYTES, PAGE_BYTES, Relation

MAX_PAGES = MAX_BYTES // PAGE_BYTES

_RELATIONS = """
SELECT c.oid, c.oid::regclass::text, pg_relation_filepath(c.oid), c.relpages, c.reltuples, c.relallvisible,
       n.nspname, c.relname, i.indrelid
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
WHERE c.relkind IN ('r', 'i', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_RESIZE = """
SELECT pg_catalog.pg_restore_relation_stats('schemaname', %(schema)s::text, 'relname', %(name)s::text,
    'relpages', %(pages)s::integer, 'reltuples', %(rows)s::real, 'relallvisible', %(visible)s::integer)
"""
_SPREAD = """
SELECT pg_catalog.pg_restore_attribute_stats('schemaname', schemaname::text, 'relname', tablename::text,
    'attname', attname::text, 'inherited', inherited,
    'n_distinct', (CASE WHEN n_distinct < 0 THEN -n_distinct * %(rows)s ELSE n_distinct END
                   * %(factor)s)::real,
    'most_common_vals', most_common_vals::text,
    'most_common_freqs', CASE WHEN most_common_vals IS NOT NULL
                         THEN ARRAY(SELECT (f / %(factor)s)::real FROM unnest(most_common_freqs) f) END)
FROM pg_catalog.pg_stats
WHERE schemaname = %(schema)s AND tablename = %(name)s AND attname = %(column)s
  AND n_distinct > -1 AND n_distinct <> 0
"""


@dataclass(frozen=True, slots=True)
class Size:
    """A table or an index of the clone as the catalogue has it; `table` is the table of an index."""

    oid: int
    shown_name: str
    path: str
    pages: int
    rows: float
    visible_pages: int
    schema: str
    name: str
    table: int | None

    @property
    def relation(self) -> Relation:
        """Its file, as long as the catalogue says."""
        return Relation(self.path, self.pages)


def sizes(connection: Connection) -> list[Size]:
    """All tables and indexes of the clone that belong to nobody but the person."""
    rows = connection.exec_driver_sql(_RELATIONS, execution_options={"no_parameters": True})
    return [Size(*row) for row in rows]


def restore(connection: Connection, calls: Iterable[RestoreCall]) -> int:
    """Tell the clone the statistics of a dump.

    Args:
        connection: to the clone.
        calls: each is made with its values as parameters.

    Returns:
        How many were not taken: they are of tables or columns that the clone does not have.
    """
    refused = 0
    for call in calls:
        parts: list[str] = []
        values: dict[str, str] = {}
        for number, argument in enumerate(call.arguments):
            values |= {f"n{number}": argument.name, f"v{number}": argument.value}
            parts.append(f"%(n{number})s::text, %(v{number})s::text::{argument.type_name}")
        statement = f"SELECT pg_catalog.{call.function}({', '.join(parts)})"
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement, values)
        except DBAPIError:
            refused += 1
    return refused


def match_today(connection: Connection, tables: Iterable[Table]) -> None:
    """Tell the clone how long the files are now: the dump says how long they were at the last ANALYZE."""
    found = {(size.schema, size.name): size for size in sizes(connection)}
    for table in tables:
        size = found.get((table.schema, table.relation_name))
        if size is not None and size.pages > 0 and table.pages > 0:
            _resize(connection, size, table.size_bytes / PAGE_BYTES / size.pages)


def grow(connection: Connection, rows: Mapping[str, float], keys: Iterable[ForeignKey]) -> None:
    """Tell the clone how many rows there are; pages and indexes grow with them.

    Columns whose number of values PostgreSQL keeps as a share of the rows have more values by themselves.
    Columns that refer to another table have more if that table has more rows. All others keep theirs.

    Args:
        connection: to the clone.
        rows: by table, named as in a statement.
        keys: foreign keys between the tables.

    Raises:
        LookupError: if there is no such table, or nobody has counted its rows.
    """
    found = sizes(connection)
    factors = {name: _factor(found, name, count) for name, count in rows.items()}
    for name, factor in factors.items():
        table = _table(found, name)
        for size in found:
            if table.oid in (size.oid, size.table):
                _resize(connection, size, factor)
    for key in keys:
        _spread(connection, key, factors, found)


def _factor(found: list[Size], name: str, count: float) -> float:
    table = _table(found, name)
    if table.rows <= 0 or table.pages <= 0:
        raise LookupError(f"The rows of {name} were never counted: run ANALYZE {name}; first.")
    return count / table.rows


def _table(found: list[Size], name: str) -> Size:
    for size in found:
        if size.table is None and name in (size.shown_name, f"{size.schema}.{size.name}"):
            return size
    raise LookupError(f"There is no table {name} in the copy of the schema.")


def _resize(connection: Connection, size: Size, factor: float) -> None:
    pages = max(1, math.ceil(size.pages * factor)) if size.pages else 0
    if pages > MAX_PAGES:
        raise LookupError(
            f"{size.shown_name} would have {pages * PAGE_BYTES / 1e12:,.0f} TB. Give fewer rows."
        )
    values = {
        "schema": size.schema,
        "name": size.name,
        "pages": pages,
        "rows": size.rows * factor,
        "visible": min(pages, round(size.visible_pages * factor)),
    }
    connection.exec_driver_sql(_RESIZE, values)


def _spread(connection: Connection, key: ForeignKey, factors: Mapping[str, float], found: list[Size]) -> None:
    """A column that refers to another table has so many times more values as that table has rows.

    Unless each of its values is there once: then there are as many as rows.
    """
    if len(key.columns) != 1 or not {key.table, key.referenced_table} & factors.keys():
        return
    owner = _table(found, key.table)
    values = {
        "schema": owner.schema,
        "name": owner.name,
        "column": key.columns[0],
        "rows": owner.rows,
        "factor": max(1.0, factors.get(key.referenced_table, 1.0)),
    }
    connection.exec_driver_sql(_SPREAD, values)
