"""Load the sample shop into a database: tables, rows by binary COPY, then keys, indexes, foreign keys."""

from typing import Any

import psycopg
from psycopg import sql

from perfkit.lab.copy_format import HEADER, TRAILER, encode
from perfkit.lab.generator import TableData, tables
from perfkit.lab.progress import Reporter
from perfkit.lab.settings import Settings, statements

Connection = psycopg.Connection[tuple[Any, ...]]


def load(connection: Connection, settings: Settings, factor: float, reporter: Reporter) -> None:
    """Create and fill the shop's tables within one transaction: they are there whole or not at all.

    Args:
        connection: open, in autocommit mode.
        settings: of the generator.
        factor: scale of the data, 1.0 is `full`.
        reporter: told of every part of the rows.
    """
    parts = statements(settings.schema)
    first = [part for part in parts if part.startswith("CREATE TABLE")]
    then = [part for part in parts if part not in first]
    with connection.transaction():
        for statement in first:
            connection.execute(statement.encode())
        for data in tables(settings, factor):
            _copy(connection, data, reporter)
        for statement in then:
            reporter.advance("keys and indexes", 0)
            connection.execute(statement.encode())


def vacuum(connection: Connection, settings: Settings) -> None:
    """Mark all pages visible and gather statistics, so that plans are those of a database in use."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in settings.rows)
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(names))


def _copy(connection: Connection, data: TableData, reporter: Reporter) -> None:
    columns = [column.name for column in data.fixed] + [column.name for column in data.pooled]
    # FREEZE is allowed since the table is of this transaction; the vacuum then finds nothing to rewrite.
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(
        sql.Identifier(data.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(command) as copy:
        copy.write(HEADER)
        for rows, payload in encode(data):
            copy.write(payload)
            reporter.advance(data.name, rows)
        copy.write(TRAILER)
