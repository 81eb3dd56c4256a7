"""Plans of the very run that is measured, where PostgreSQL's auto_explain may be loaded.

The server sends the plan of each statement as a notice when the statement ends: nothing is executed a second
time, writes are planned as they really ran, and so are statements inside functions (reference notes on
EXPLAIN, section 7). Settings are made by `SET LOCAL` at the first statement of each transaction, so that they
end with it, however it ends.
"""

import functools
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from perfkit.capture._auto_plans import AutoPlans
from perfkit.capture._plan_connection import tagged
from perfkit.capture.databases.errors import explain_error
from perfkit.capture.sqlalchemy_hooks import INTERNAL_OPTION
from perfkit.model.plan import Plan

_SETTINGS = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "on",
    "log_triggers": "on",
    "log_verbose": "on",
    "log_settings": "on",
    "log_nested_statements": "on",
    "log_format": "json",
    "log_level": "notice",
    "sample_rate": "1",
}
# From then on it also writes the values that were bound, unless it is told not to.
_WRITES_VALUES_SINCE = (16,)
_OFF = b"SET LOCAL auto_explain.log_min_duration = -1"
_SAVEPOINT = "perfkit_auto"
_SLOWER = "Times in this block include what auto_explain takes to measure every plan."


@dataclass(frozen=True, slots=True)
class Captured:
    """The plans of a block by the fingerprint of their statements, those inside functions, and notes."""

    plans: dict[str, Plan]
    nested: tuple[Plan, ...] = ()
    notes: tuple[str, ...] = ()


class AutoExplainCollector:
    """Listens to the plans that servers send, between `start` and `stop`."""

    def __init__(self) -> None:
        self._plans = AutoPlans()
        # By number of the driver's connection: itself, its handler, and the transaction that is set up.
        self._connections: dict[int, tuple[Any, Any]] = {}
        self._transactions: dict[int, Any] = {}
        self._refused: dict[int, str] = {}
        self._was_silent = False

    def start(self) -> None:
        """Listen to every engine of the process."""
        self._was_silent = not Engine.__dict__.get("_has_events", True)
        event.listen(Engine, "before_cursor_execute", self._before, named=True)

    def stop(self) -> Captured:
        """Stop listening, and take every setting and handler back."""
        event.remove(Engine, "before_cursor_execute", self._before)
        if self._was_silent and not _is_heard(Engine):
            Engine._has_events = False  # it stays set otherwise, and costs each later statement
        for driver_connection, handler in self._connections.values():
            driver_connection.remove_notice_handler(handler)
            _switch_off(driver_connection)
        self._connections.clear()
        self._transactions.clear()
        plans, nested = self._plans.finished()
        notes = (*([_SLOWER] if plans else []), *dict.fromkeys(self._refused.values()))
        return Captured(plans, nested, notes)

    def _before(self, conn: Connection, statement: str, context: Any, **_: Any) -> None:
        """Whatever goes wrong here is ours, never the user's."""
        if conn.get_execution_options().get(INTERNAL_OPTION):
            return
        try:
            driver_connection = self._set_up(conn)
            if driver_connection is not None:
                compiled = getattr(context, "compiled", None)
                source = compiled.string if compiled is not None else statement
                self._plans.expect(id(driver_connection), statement, source)
        except Exception as error:
            self._refused[0] = f"Some plans of the run were not caught ({type(error).__name__} in perfkit)."

    def _set_up(self, connection: Connection) -> Any:
        """The driver's connection, set to send plans in this transaction; `None` where it cannot be."""
        key = id(connection.engine)
        if key in self._refused:
            return None
        driver_connection: Any = connection.connection.driver_connection
        number, transaction = id(driver_connection), connection.get_transaction()
        if self._transactions.get(number) is not transaction:
            reason = _obstacle(connection) or _switch_on(connection)
            if reason is not None:
                self._refused[key] = f"{reason} Plans were asked for after the block."
                return None
            self._transactions[number] = transaction
        if number not in self._connections:
            handler = functools.partial(self._receive, number)
            driver_connection.add_notice_handler(handler)
            self._connections[number] = driver_connection, handler
        return driver_connection

    def _receive(self, key: int, diagnosis: Any) -> None:
        self._plans.receive(key, str(diagnosis.message_primary or ""))


def _obstacle(connection: Connection) -> str | None:
    if connection.dialect.name != "postgresql" or connection.dialect.driver != "psycopg":
        return "Plans of the run itself come through PostgreSQL and psycopg alone."
    driver_connection: Any = connection.connection.driver_connection
    if driver_connection.autocommit:
        return "In autocommit there is no transaction to which auto_explain could be limited."
    return None


def _switch_on(connection: Connection) -> str | None:
    """Set what holds until the end of the transaction; the reason where that is refused."""
    reason = _load(connection.connection.driver_connection)
    if reason is None:
        version = connection.dialect.server_version_info or ()
        more = {"log_parameter_max_length": "0"} if version >= _WRITES_VALUES_SINCE else {}
        reason = _tried(
            connection,
            "SET LOCAL client_min_messages = notice",
            *(f"SET LOCAL auto_explain.{name} = {value}" for name, value in (_SETTINGS | more).items()),
        )
    return reason and f"auto_explain cannot be used here: {reason}."


def _load(driver_connection: Any) -> str | None:
    """Load the module while no transaction is open, as psycopg begins one with the statement to come.

    Loading takes a snapshot, after which the program could not choose the isolation level. It is done below
    the driver, so that it works for async connections too and nothing counts it.
    """
    was_open = _is_open(driver_connection)
    if was_open:
        driver_connection.pgconn.exec_(b"SAVEPOINT perfkit_load")
    result = driver_connection.pgconn.exec_(b"LOAD 'auto_explain'")
    message: str = result.error_message.decode("utf-8", "replace").strip()
    if was_open:
        undo = b"ROLLBACK TO perfkit_load; RELEASE perfkit_load" if message else b"RELEASE perfkit_load"
        driver_connection.pgconn.exec_(undo)
    return message.splitlines()[0].removeprefix("ERROR:").strip() if message else None


def _tried(connection: Connection, *statements: str) -> str | None:
    options = {"no_parameters": True}
    text = "; ".join([f"SAVEPOINT {_SAVEPOINT}", *statements, f"RELEASE {_SAVEPOINT}"])
    with tagged(connection):
        try:
            connection.exec_driver_sql(text, execution_options=options)
        except SQLAlchemyError as error:
            undo = f"ROLLBACK TO {_SAVEPOINT}; RELEASE {_SAVEPOINT}"
            connection.exec_driver_sql(undo, execution_options=options)
            return str(explain_error(error)).splitlines()[0]
    return None


def _switch_off(driver_connection: Any) -> None:
    """In a transaction that outlives the block."""
    if not driver_connection.closed and _is_open(driver_connection):
        driver_connection.pgconn.exec_(_OFF)


def _is_open(driver_connection: Any) -> bool:
    from psycopg.pq import TransactionStatus

    return bool(driver_connection.pgconn.transaction_status == TransactionStatus.INTRANS)


def _is_heard(cls: Any) -> bool:
    """Whether anybody listens to the class. SQLAlchemy's flag stays set and costs each later statement."""
    names = (name for name in dir(cls.dispatch) if not name.startswith("_"))
    return any(getattr(getattr(cls.dispatch, name), "_clslevel", {}).get(cls) for name in names)
