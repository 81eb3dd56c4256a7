"""SQLAlchemy: every statement of every engine, those made before the block included."""

import functools
from sys import _getframe
from time import perf_counter
from types import FrameType
from typing import Any

from sqlalchemy.engine import Connection

from perfkit.capture.dialects import DialectPatches
from perfkit.capture.insert_batches import batch_size
from perfkit.capture.orm import KnownLoads, orm_load
from perfkit.capture.patches import Function, Patches, leave_no_trace
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.result_size import MIN_ROWS, note_size, sent_rows
from perfkit.capture.rows import count_rows
from perfkit.capture.transactions import Frame, TransactionKind

# perfkit's own statements carry this execution option and are never counted.
INTERNAL_OPTION = "perfkit_internal"
# Private, and the same from SQLAlchemy 2.0.0 to 2.1.9. Their events would slow every statement down.
_FRAMES: dict[str, TransactionKind] = {
    "_begin_impl": "begin", "_commit_impl": "commit", "_rollback_impl": "rollback",
}  # fmt: skip


class SqlalchemyHooks:
    """Reports what SQLAlchemy sends to a recorder, between `install` and `remove`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # By number, the driver's cursors and async drivers' connections that SQLAlchemy is sending on: their
        # own hooks leave those to us.
        self.at_work: dict[int, Any] = {}
        # Begins, commits and rollbacks that we counted and the driver has still to send.
        self.framing: dict[int, TransactionKind] = {}
        self._dialects = DialectPatches()
        self._patches = Patches()
        self._known_loads: KnownLoads = {}
        self._is_active = False

    def install(self) -> None:
        """Wrap the methods by which all dialects send: that reaches every engine, connection and session."""
        self._is_active = True
        self._dialects.install(
            {
                "do_execute": self._sending,
                "do_executemany": self._sending,
                "do_execute_no_params": self._sending_alone,
            }
        )
        for name, kind in _FRAMES.items():
            if name not in vars(Connection):
                self._recorder.note(
                    f"SQLAlchemy's {kind}s were not counted: this version sends them otherwise."
                )
            self._patches.replace(Connection, name, functools.partial(self._framed, kind))

    def remove(self) -> None:
        """Take every wrapper away. A call that is under way in another thread ends as it began."""
        self._is_active = False
        self._dialects.restore()
        self._patches.restore()
        self.at_work.clear()
        self.framing.clear()
        self._known_loads.clear()

    def _sending(self, original: Function) -> Function:
        """A dialect's `do_execute` or `do_executemany`."""
        at_work, begin = self.at_work, self._begin

        @functools.wraps(original)
        def send(dialect: Any, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> Any:
            key = id(cursor)
            # One dialect's method may call another's; without a context, the driver's own hook is asked.
            if context is None or key in at_work or not self._is_active:
                return original(dialect, cursor, statement, parameters, context)
            record = begin(dialect, cursor, statement, parameters, context, _getframe(1))
            key_of_connection = _leave_connection_to_us(context, at_work) if dialect.is_async else None
            try:
                at_work[key] = cursor
                if record is not None:
                    record.start = perf_counter()
                result = original(dialect, cursor, statement, parameters, context)
                end = perf_counter()
            except BaseException as error:
                if record is not None:
                    record.end, record.error_type = perf_counter(), type(error).__name__
                leave_no_trace(error)
                raise
            finally:
                at_work.pop(key, None)
                if key_of_connection is not None:
                    at_work.pop(key_of_connection, None)
            if record is not None:
                record.end = end
                self._read(record, cursor, context)
            return result

        return send

    def _sending_alone(self, original: Function) -> Function:
        """A dialect's `do_execute_no_params`."""

        def execute(dialect: Any, cursor: Any, statement: Any, _: Any, context: Any) -> Any:
            return original(dialect, cursor, statement, context)

        send = self._sending(execute)

        @functools.wraps(original)
        def send_alone(dialect: Any, cursor: Any, statement: Any, context: Any = None) -> Any:
            try:
                return send(dialect, cursor, statement, (), context)
            except BaseException as error:
                leave_no_trace(error)
                raise

        return send_alone

    def _begin(
        self, dialect: Any, cursor: Any, statement: str, parameters: Any, context: Any, frame: FrameType
    ) -> Record | None:
        """Count a statement, then look around. Whatever goes wrong here is ours, never the user's.

        Returns:
            `None` for what is none of the block's: perfkit's own, and what a new connection is asked.
        """
        recorder = self._recorder
        record = None
        try:
            options = context.execution_options  # the connection's and the statement's own, merged
            connection = context.root_connection
            if options.get(INTERNAL_OPTION) or not getattr(connection, "_allow_autobegin", True):
                return None
            compiled = context.compiled
            # The compiled text is the same however long a list is, and whatever a comment hook appends.
            shape_source = statement if compiled is None else compiled.string
            record = recorder.new(shape_source, dialect.name, "sqlalchemy")
            if compiled is not None:
                record.load = orm_load(context, self._known_loads)
            is_batch = context.executemany
            if is_batch:
                record.batch_size = batch_size(context, parameters)
            # PEP 249's optional extension; an async driver's cursor names SQLAlchemy's stand-in there.
            driver_connection = None if dialect.is_async else getattr(cursor, "connection", None)
            if driver_connection is None:
                driver_connection = _driver_connection(connection)
            recorder.describe(record, frame, None if is_batch else parameters, driver_connection)
            if recorder.keeps_samples:
                recorder.sample(record, statement, parameters, connection.engine, is_batch, context)
        except Exception as error:
            recorder.note(f"Details of some statements are missing ({type(error).__name__} in perfkit).")
        return record

    def _read(self, record: Record, cursor: Any, context: Any) -> None:
        """What only the cursor knows."""
        try:
            rows = record.rows = sent_rows(cursor)
            if rows is not None and rows >= MIN_ROWS:
                note_size(record, cursor)
            if rows is None or rows or cursor.description is not None:
                record.consumed = count_rows(context)
        except Exception as error:
            self._recorder.note(f"Rows of some statements are unknown ({type(error).__name__} in perfkit).")

    def _framed(self, kind: TransactionKind, original: Function) -> Function:
        @functools.wraps(original)
        def send(connection: Connection, *arguments: Any) -> Any:
            sent = self._frame(kind, connection, _getframe(1)) if self._is_active else None
            try:
                return original(connection, *arguments)
            except BaseException as error:
                leave_no_trace(error)
                raise
            finally:
                if kind != "begin":  # a driver sends that with the first statement
                    self._recorder.ended(sent)

        return send

    def _frame(self, kind: TransactionKind, connection: Connection, frame: FrameType) -> Frame | None:
        """Count a begin, commit or rollback; `None` where it is perfkit's own, or nothing is sent for it."""
        try:
            driver_connection = _driver_connection(connection)
            self.framing[id(driver_connection)] = kind
            if connection.get_execution_options().get(INTERNAL_OPTION) or _is_in_autocommit(connection):
                return None
            return self._recorder.transaction(kind, frame, driver_connection)
        except Exception as error:
            self._recorder.note(f"Some transactions were not counted ({type(error).__name__} in perfkit).")
            return None


def _is_in_autocommit(connection: Connection) -> bool:
    """Whether each statement commits itself: SQLAlchemy goes through the same motions all the same."""
    ask = getattr(connection, "_is_autocommit_isolation", None)
    return ask is not None and bool(ask())


def _leave_connection_to_us(context: Any, at_work: dict[int, Any]) -> int | None:
    """Tell an async driver's hook that the statement is counted here: it never sees SQLAlchemy's cursor."""
    key = id(_driver_connection(context.root_connection))
    at_work[key] = context
    return key


def _driver_connection(connection: Connection) -> Any:
    """The driver's own connection; `None` where SQLAlchemy has lost it."""
    try:
        dbapi_connection = connection.connection.dbapi_connection
        if connection.dialect.is_async:
            return getattr(dbapi_connection, "driver_connection", dbapi_connection)
        return dbapi_connection
    except Exception:
        return None
