"""A stretch of a PostgreSQL session of which nothing is left: behind a savepoint, with time limits.

Reference notes on EXPLAIN, section 7: the same connection, so that temporary tables and settings are seen;
`SET LOCAL` alone, so that a pooler in transaction mode is no obstacle.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.capture.databases.errors import ExplainError, as_sent, explain_error, sqlstate

# Waiting for another session's lock is not part of the plan (reference notes, section 7: 1 to 2 s).
LOCK_TIMEOUT_MS = 1000
# What the catalogue answers in milliseconds is not worth a longer wait on a server in trouble.
CATALOG_TIMEOUT_MS = 5_000
_PSYCOPG = "psycopg"
_NO_TRANSACTION, _FAILED_TRANSACTION = "25P01", "25P02"


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Undo everything that is done within, and end the transaction only where it was begun here.

    Raises:
        ExplainError: if the transaction that is open takes no statement, or the connection is gone.
    """
    began_here = not connection.in_transaction()
    rollback: tuple[str, ...] = ("ROLLBACK TO SAVEPOINT perfkit_explain", "RELEASE SAVEPOINT perfkit_explain")
    try:
        if _begin(connection) or (began_here and connection.dialect.driver == _PSYCOPG):
            # psycopg's own rollback, which the outer one calls, forgets every prepared statement of the
            # session; where nothing is open any more, it does nothing.
            rollback = ("ROLLBACK",)
        try:
            yield
        finally:
            _undo(connection, rollback)
    finally:
        if began_here:
            connection.rollback()


def start_again(connection: Connection) -> None:
    """Within `undone`: forget what failed, so that something else can be tried."""
    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT perfkit_explain")


def limit(connection: Connection, timeout_ms: float, *, read_only: bool = True) -> None:
    """Within `undone`: set what holds until its end.

    Args:
        connection: where.
        timeout_ms: after how long a statement is cancelled.
        read_only: refuse writes; otherwise the session's own setting stays.
    """
    settings = {
        # Strings are read by the standard, as they were when statements were counted.
        "standard_conforming_strings": "on",
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": max(1, round(timeout_ms)),
    }
    if read_only:
        settings["transaction_read_only"] = "on"
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    connection.exec_driver_sql(f"SELECT {calls}")


def ask(connection: Connection, query: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
    """Send a question of perfkit's own.

    Args:
        connection: where, through any driver.
        query: text with psycopg's `%(name)s`; asyncpg gets `$1` for it.
        parameters: values by name.

    Returns:
        The rows.
    """
    if connection.dialect.paramstyle != "numeric_dollar":
        return list(connection.exec_driver_sql(query, parameters))
    sent, names = as_sent(query)
    values = parameters or {}
    return list(connection.exec_driver_sql(sent, tuple(values[str(name)] for name in names)))


def rows_or_none(
    connection: Connection, query: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]] | None:
    """Within `undone`: ask for something that may be refused; `None` if it was. What came before stays."""
    connection.exec_driver_sql("SAVEPOINT perfkit_question")
    try:
        rows = [tuple(row) for row in ask(connection, query, parameters)]
    except DBAPIError as error:
        if error.connection_invalidated:
            raise explain_error(error) from None
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT perfkit_question")
        rows = None
    connection.exec_driver_sql("RELEASE SAVEPOINT perfkit_question")
    return rows


def _begin(connection: Connection) -> bool:
    """Set the savepoint; true where the connection is in autocommit and needed a transaction first."""
    try:
        connection.exec_driver_sql("SAVEPOINT perfkit_explain")
        return False
    except DBAPIError as error:
        if sqlstate(error) == _FAILED_TRANSACTION:
            raise ExplainError(
                "The open transaction failed earlier and takes no statement. Roll it back first."
            ) from None
        if sqlstate(error) != _NO_TRANSACTION:
            raise explain_error(error) from None
    except SQLAlchemyError as error:
        raise explain_error(error) from None
    connection.exec_driver_sql("BEGIN")
    connection.exec_driver_sql("SAVEPOINT perfkit_explain")
    return True


def _undo(connection: Connection, statements: tuple[str, ...]) -> None:
    try:
        for statement in statements:
            connection.exec_driver_sql(statement)
    except SQLAlchemyError:
        # The connection is gone, and the server has undone everything itself.
        if not connection.invalidated:
            raise
