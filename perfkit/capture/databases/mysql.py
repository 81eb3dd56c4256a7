"""MariaDB: `ANALYZE FORMAT=JSON` of what reads, `EXPLAIN FORMAT=JSON` of what writes. MySQL: `EXPLAIN` alone.

`ANALYZE` executes the statement, writes too, so it is put before nothing but statements that read, in a
read-only transaction. Where a transaction is open already it cannot be made read-only: there a savepoint has
to do, and what calls a stored function is not executed (reference notes on EXPLAIN, sections 7 and 8).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.capture.databases.errors import ExplainError, explain_error
from perfkit.capture.databases.mysql_answer import read_mysql_plan
from perfkit.capture.databases.mysql_catalog import tables_of
from perfkit.capture.databases.mysql_text import check_text, kind_of
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.databases.sql_text import called_functions
from perfkit.capture.databases.table_lookup import with_tables
from perfkit.model.plan import Plan
from perfkit.model.plan_reader import PlanFormatError

EXPLAIN_PREFIX = "EXPLAIN FORMAT=JSON "
# Waiting for another session's lock is not part of the plan (reference notes, section 7: 1 to 2 s).
LOCK_TIMEOUT_S = 1
_LIMITS = (
    "SET STATEMENT max_statement_time={seconds}, lock_wait_timeout={lock},"
    " innodb_lock_wait_timeout={lock} FOR "
)
_READ_ONLY, _LOCKED, _DEADLOCK = 1792, 1205, 1213
_CANCELLED = (1969, 3024)
_NOT_EXECUTED = (
    "Not measured: the statement may change or lock data, and perfkit executes no write on {name}."
)
_NO_ANALYZE = "Not measured: of MySQL, perfkit asks for the plan alone. Rows are estimates."
_STORED = text(
    "SELECT count(*) FROM information_schema.ROUTINES"
    " WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_NAME IN :names"
).bindparams(bindparam("names", expanding=True))


class _NotMeasuredError(Exception):
    """The statement was not executed to its end, though it has a plan."""


def explain(connection: Connection, request: ExplainRequest) -> Plan:
    """Ask MariaDB or MySQL for a plan.

    Args:
        connection: where to ask; a transaction that is open on it stays as it is.
        request: the statement and its parameters.

    Returns:
        The plan, executed where MariaDB was asked to and where that is safe; `Plan.notes` say where not.

    Raises:
        ExplainError: if the statement has no plan.
    """
    kind = kind_of(request.statement, _name(connection))
    with _ended(connection):
        check_text(request.statement, str(connection.exec_driver_sql("SELECT @@sql_mode").scalar()))
        is_write = kind.is_write or _calls_stored_function(connection, request.statement)
        return _explained(connection, request, is_write)


def describe(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """The plans with what the catalogue says of their tables; a note where it may not be read."""
    with _ended(connection):
        return with_tables(plans, partial(tables_of, connection))


def _explained(connection: Connection, request: ExplainRequest, is_write: bool) -> Plan:
    name, prefix = _name(connection), _limits(connection, request) + EXPLAIN_PREFIX
    if not request.analyze:
        return _ask(connection, request, prefix, read_only=not is_write)
    if name == "MySQL":
        return _ask(connection, request, prefix, read_only=not is_write, note=_NO_ANALYZE)
    if is_write:
        return _ask(connection, request, prefix, read_only=False, note=_NOT_EXECUTED.format(name=name))
    try:
        return _ask(
            connection, request, _limits(connection, request) + "ANALYZE FORMAT=JSON ", read_only=True
        )
    except _NotMeasuredError as reason:
        return _ask(connection, request, prefix, read_only=False, note=str(reason))


def _limits(connection: Connection, request: ExplainRequest) -> str:
    if not connection.dialect.is_mariadb:  # type: ignore[attr-defined]  # of SQLAlchemy's MySQL dialect
        return ""
    return _LIMITS.format(seconds=max(0.001, request.timeout_ms / 1000), lock=LOCK_TIMEOUT_S)


def _ask(
    connection: Connection, request: ExplainRequest, prefix: str, *, read_only: bool, note: str | None = None
) -> Plan:
    with _undone(connection, read_only=read_only):
        try:
            answer = request.run(connection, prefix).scalar()
        except DBAPIError as error:
            raise _reason(error, request, connection) from None
    try:
        return read_mysql_plan(answer, request, note, system_name=_name(connection).lower())
    except PlanFormatError as error:
        raise ExplainError(f"The database answered something else. {error}") from None


def _name(connection: Connection) -> str:
    return "MariaDB" if connection.dialect.is_mariadb else "MySQL"  # type: ignore[attr-defined]


def _calls_stored_function(connection: Connection, statement: str) -> bool:
    """A function may write, and outside of a read-only transaction nothing would stop it."""
    names = called_functions(statement, "mysql")
    return bool(names) and bool(connection.execute(_STORED, {"names": names}).scalar())


def _reason(error: DBAPIError, request: ExplainRequest, connection: Connection) -> Exception:
    code = error.orig.args[0] if error.orig and error.orig.args else None
    if code == _LOCKED:
        return ExplainError(
            "Another session holds a lock on a table of this statement. Try again when it is done."
        )
    if code == _DEADLOCK:
        return ExplainError("Another session and this one waited for each other (a deadlock). Try again.")
    if code in _CANCELLED:
        return _NotMeasuredError(
            f"Not measured: cancelled after {request.timeout_ms / 1000:g} s. Rows are estimates."
        )
    if code == _READ_ONLY:
        return _NotMeasuredError(_NOT_EXECUTED.format(name=_name(connection)))
    return explain_error(error, request.style)


@contextmanager
def _ended(connection: Connection) -> Iterator[None]:
    """End the transaction where it was begun here."""
    began_here = not connection.in_transaction()
    try:
        yield
    except SQLAlchemyError as error:
        raise explain_error(error) from None
    finally:
        if began_here:
            connection.rollback()


@contextmanager
def _undone(connection: Connection, *, read_only: bool) -> Iterator[None]:
    """Undo everything that is done within; a transaction that is open on the server stays open."""
    if _name(connection) == "MySQL":
        yield  # a plain EXPLAIN does nothing
        return
    start, *end = _frame(connection, read_only)
    connection.exec_driver_sql(start)
    try:
        yield
    finally:
        for statement in end:
            _try(connection, statement)


def _frame(connection: Connection, read_only: bool) -> tuple[str, ...]:
    """Only the server knows whether a transaction is open: a new one would commit it."""
    if connection.exec_driver_sql("SELECT @@in_transaction").scalar():
        name = "SAVEPOINT perfkit_explain"
        return name, f"ROLLBACK TO {name}", f"RELEASE {name}"
    return f"START TRANSACTION{' READ ONLY' if read_only else ''}", "ROLLBACK"


def _try(connection: Connection, statement: str) -> None:
    try:
        connection.exec_driver_sql(statement)
    except SQLAlchemyError:
        # The connection is gone, and the server has undone everything itself.
        if not connection.invalidated:
            raise
