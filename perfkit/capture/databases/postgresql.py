"""PostgreSQL: `EXPLAIN (FORMAT JSON)` that leaves nothing behind.

Everything happens behind a savepoint that is rolled back, read-only, with timeouts (reference notes on
EXPLAIN, section 7). A statement that may write is never executed.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.capture.databases.errors import ExplainError, explain_error, sqlstate
from perfkit.capture.databases.literals import hide_values
from perfkit.capture.databases.postgresql_catalog import catalog_facts
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import READS, WRITES, statement_kind
from perfkit.model.plan import Plan
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan

ANALYZE_PREFIX = "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON) "
PLAIN_PREFIX = "EXPLAIN (VERBOSE, SETTINGS, FORMAT JSON) "
# Waiting for another session's lock is not part of the plan (reference notes, section 7: 1 to 2 s).
LOCK_TIMEOUT_MS = 1000
_SAVEPOINT = "perfkit_explain"

_NO_TRANSACTION, _FAILED_TRANSACTION = "25P01", "25P02"
_CANCELLED, _LOCKED = "57014", "55P03"
_READ_ONLY = "25006"
_NOT_EXECUTED = "Not measured: the statement may change or lock data, so it was not executed."


def explain(connection: Connection, request: ExplainRequest) -> Plan:
    """Ask PostgreSQL for a plan.

    Args:
        connection: where to ask; a transaction that is open on it stays as it is.
        request: the statement and its parameters.

    Returns:
        The plan, executed where that was asked for and is safe; `Plan.notes` say where it was not.

    Raises:
        ExplainError: if the statement has no plan.
    """
    kind = statement_kind(request.statement, "postgres")
    _refuse(kind.keyword)
    with _savepoint(connection):
        if not request.analyze:
            return _ask(connection, request, PLAIN_PREFIX)
        if kind.is_write and not request.analyze_writes:
            return _plain(connection, request, _NOT_EXECUTED)
        try:
            return _ask(connection, request, ANALYZE_PREFIX)
        except _NotMeasuredError as reason:
            connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
            return _plain(connection, request, str(reason))


def _refuse(keyword: str) -> None:
    if keyword == "EXPLAIN":
        raise ExplainError("Leave out EXPLAIN: give the statement itself.")
    if keyword not in READS | WRITES | {"CREATE", "DECLARE"}:
        raise ExplainError(
            f"PostgreSQL has no plan for {keyword[:40]}. "
            "Give SELECT, VALUES, WITH, INSERT, UPDATE, DELETE or MERGE."
        )


class _NotMeasuredError(Exception):
    """The statement was not executed to its end, though it has a plan."""


def _plain(connection: Connection, request: ExplainRequest, note: str) -> Plan:
    plan = _ask(connection, request, PLAIN_PREFIX)
    return replace(plan, notes=(*plan.notes, note))


def _ask(connection: Connection, request: ExplainRequest, prefix: str) -> Plan:
    try:
        connection.exec_driver_sql(_settings(request))
        answer = request.run(connection, prefix).scalar()
    except DBAPIError as error:
        raise _reason(error, request, prefix) from None
    except SQLAlchemyError as error:
        raise explain_error(error) from None
    try:
        plan = read_postgresql_plan(_shown(answer, request), request.statement)
    except PlanFormatError as error:
        raise ExplainError(f"The database answered something else. {error}") from None
    tables, foreign_keys = catalog_facts(connection, plan)
    return replace(plan, tables=tables, foreign_keys=foreign_keys, parameter_types=request.parameter_types)


def _settings(request: ExplainRequest) -> str:
    """Set until the rollback. Strings are read by the standard, as they were when statements were counted."""
    settings = {
        "transaction_read_only": "off" if request.analyze_writes else "on",
        "standard_conforming_strings": "on",
        "lock_timeout": LOCK_TIMEOUT_MS,
        "statement_timeout": max(1, round(request.timeout_ms)),
    }
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())


def _shown(answer: object, request: ExplainRequest) -> object:
    """Some drivers decode JSON and some do not; values that were bound stay out of the plan."""
    if not request.has_parameters:
        return answer
    written = request.statement.replace("%%", "%") if request.style == "driver" else request.statement
    return hide_values(json.loads(answer) if isinstance(answer, str) else answer, written)


def _reason(error: DBAPIError, request: ExplainRequest, prefix: str) -> Exception:
    state = sqlstate(error)
    if state == _LOCKED:
        return ExplainError(
            "Another session holds a lock on a table of this statement. Try again when it is done."
        )
    if prefix == ANALYZE_PREFIX and state == _CANCELLED:
        return _NotMeasuredError(
            f"Not measured: cancelled after {request.timeout_ms / 1000:g} s. Rows are estimates."
        )
    if prefix == ANALYZE_PREFIX and state == _READ_ONLY:
        return _NotMeasuredError(_NOT_EXECUTED)
    return explain_error(error, request.style, prefix)


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Undo everything, and end the transaction only where perfkit began it."""
    began_here = not connection.in_transaction()
    rollback: tuple[str, ...] = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", f"RELEASE SAVEPOINT {_SAVEPOINT}"
    try:
        if _begin(connection):
            rollback = ("ROLLBACK",)
        try:
            yield
        finally:
            _undo(connection, rollback)
    finally:
        if began_here:
            connection.rollback()


def _begin(connection: Connection) -> bool:
    """Set the savepoint; true where the connection is in autocommit and needed a transaction first."""
    try:
        connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
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
    connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
    return True


def _undo(connection: Connection, statements: tuple[str, ...]) -> None:
    try:
        for statement in statements:
            connection.exec_driver_sql(statement)
    except SQLAlchemyError:
        # The connection is gone, and the server has undone everything itself.
        if not connection.invalidated:
            raise
