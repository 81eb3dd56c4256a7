"""SQLAlchemy's own events on every engine, those made before the block included."""

import functools
import sys
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect

from perfkit.capture.orm import LOAD_OPTIONS, KnownLoads, orm_load
from perfkit.capture.patches import Function, Patches
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.result_size import MIN_ROWS, note_size
from perfkit.capture.rows import count_rows
from perfkit.capture.transactions import Frame, TransactionKind

# perfkit's own statements carry this execution option and are never counted.
INTERNAL_OPTION = "perfkit_internal"
_Work = tuple[Record | None, Any, int | None]
_NOTHING: _Work = (None, None, None)
_FRAMES: tuple[TransactionKind, ...] = ("begin", "commit", "rollback")


class SqlalchemyHooks:
    """Reports what SQLAlchemy sends to a recorder, between `install` and `remove`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # By number, the driver's cursors and async drivers' connections that SQLAlchemy is sending on: their
        # own hooks leave those to us. The cursor is kept, so that its number is not given to another one.
        self.at_work: dict[int, _Work] = {}
        # Begins, commits and rollbacks that we counted and the driver has still to send.
        self.framing: dict[int, TransactionKind] = {}
        # Those of them that the driver's call has still to end, by connection.
        self._ending: dict[int, Frame] = {}
        self._patches = Patches()
        self._known_loads: KnownLoads = {}
        self._listeners: list[tuple[str, Any]] = []
        self._silent: list[Any] = []

    def install(self) -> None:
        """Listen on the class `Engine`: that reaches every engine, connection and session."""
        self._silent = [cls for cls in (Engine, Dialect) if not cls.__dict__.get("_has_events", True)]
        self._listen("before_cursor_execute", self._before)
        self._listen("after_cursor_execute", self._after)
        self._listen("handle_error", self._failed)
        for kind in _FRAMES:
            self._listen(kind, self._framed(kind))
        # SQLAlchemy has no event for the end of a commit; every dialect of its own comes through these.
        for name in ("do_commit", "do_rollback"):
            self._patches.replace(DefaultDialect, name, self._timed)

    def remove(self) -> None:
        """Take every listener away."""
        while self._listeners:
            name, function = self._listeners.pop()
            event.remove(Engine, name, function)
        self._patches.restore()
        self._ending.clear()
        self.at_work.clear()
        self.framing.clear()
        self._known_loads.clear()
        for cls in self._silent:
            if not is_heard(cls):
                cls._has_events = False
        self._silent.clear()

    def _listen(self, name: str, function: Any) -> None:
        event.listen(Engine, name, function)
        self._listeners.append((name, function))

    def _framed(self, kind: TransactionKind) -> Any:
        def count(connection: Connection) -> None:
            try:
                driver_connection = _driver_connection(connection)
                self.framing[id(driver_connection)] = kind
                if connection.get_execution_options().get(INTERNAL_OPTION):
                    return
                sent = self._recorder.transaction(kind, sys._getframe(1), driver_connection)
                if sent is not None and kind != "begin":
                    self._ending[id(driver_connection)] = sent
            except Exception as error:
                self._recorder.note(
                    f"Some transactions were not counted ({type(error).__name__} in perfkit)."
                )

        return count

    def _timed(self, original: Function) -> Function:
        """A dialect's `do_commit` or `do_rollback`, which pools call for themselves too."""

        @functools.wraps(original)
        def end(dialect: Any, dbapi_connection: Any) -> Any:
            sent = self._ending.pop(id(_of_driver(dbapi_connection, dialect.is_async)), None)
            if sent is None:
                return original(dialect, dbapi_connection)
            try:
                return original(dialect, dbapi_connection)
            finally:
                self._recorder.ended(sent)

        return end

    def _before(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        """Count the statement, then look around. Whatever goes wrong here is ours, never the user's."""
        dialect, recorder = connection.dialect, self._recorder
        # The connection's and the statement's own, merged.
        options = connection.get_execution_options() if context is None else context.execution_options
        if options.get(INTERNAL_OPTION):
            self._leave_to_us(None, connection, cursor)
            return
        compiled = getattr(context, "compiled", None)
        # The compiled text is the same however long a list is, and whatever a comment hook appends.
        shape_source = compiled.string if compiled is not None else statement
        record = recorder.new(shape_source, dialect.name, "sqlalchemy")
        if dialect.is_async:
            self._leave_to_us(record, connection, cursor)
        else:
            self.at_work[id(cursor)] = (record, cursor, None)
        try:
            record.context_id = id(context)
            if LOAD_OPTIONS in options:  # a statement of the ORM
                record.load = orm_load(context, self._known_loads)
            if executemany and isinstance(parameters, list | tuple):
                record.batch_size = len(parameters)
            # PEP 249's optional extension; an async driver's cursor names SQLAlchemy's stand-in there.
            driver_connection = None if dialect.is_async else getattr(cursor, "connection", None)
            if driver_connection is None:
                driver_connection = _driver_connection(connection)
            recorder.describe(
                record, sys._getframe(1), None if executemany else parameters, driver_connection
            )
            if recorder.keeps_samples:
                recorder.sample(record, statement, parameters, connection.engine, executemany, context)
        except Exception as error:
            self._recorder.note(
                f"Details of some statements are missing ({type(error).__name__} in perfkit)."
            )
        record.start = perf_counter()

    def _after(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        end = perf_counter()
        record, _, key = self.at_work.pop(id(cursor), _NOTHING)
        if key is not None:
            self.at_work.pop(key, None)
        if record is None:
            return
        record.end = end
        try:
            rows = record.rows = sent_rows(cursor)
            if rows is not None and rows >= MIN_ROWS:
                note_size(record, cursor)
            if rows is None or cursor.description is not None:
                record.consumed = count_rows(context)
        except Exception as error:
            self._recorder.note(f"Rows of some statements are unknown ({type(error).__name__} in perfkit).")

    def _failed(self, failure: Any) -> None:
        record = self._done(getattr(failure.execution_context, "cursor", None))
        if record is not None:
            record.end = perf_counter()
            record.error_type = type(failure.original_exception).__name__

    def _leave_to_us(self, record: Record | None, connection: Connection, cursor: Any) -> None:
        """Tell the driver's hook, if it has one, that this statement is counted here."""
        if connection.dialect.is_async:
            key = id(_driver_connection(connection))
            self.at_work[id(cursor)] = self.at_work[key] = (record, cursor, key)
        else:
            self.at_work[id(cursor)] = (record, cursor, None)

    def _done(self, cursor: Any) -> Record | None:
        record, _, key = self.at_work.pop(id(cursor), _NOTHING)
        if key is not None:
            self.at_work.pop(key, None)
        return record


def is_heard(cls: Any) -> bool:
    """Whether anybody listens to the class. SQLAlchemy's flag stays set and costs each later statement."""
    names = (name for name in dir(cls.dispatch) if not name.startswith("_"))
    return any(getattr(getattr(cls.dispatch, name), "_clslevel", {}).get(cls) for name in names)


def sent_rows(cursor: Any) -> int | None:
    """Rows that the database sent: `rowcount` of a client-side cursor; `None` where it cannot tell."""
    if cursor.description is None:
        return 0
    count = cursor.rowcount
    return count if isinstance(count, int) and count >= 0 else None


def _driver_connection(connection: Connection) -> Any:
    """The driver's own connection; `None` where SQLAlchemy has lost it."""
    try:
        return _of_driver(connection.connection, connection.dialect.is_async)
    except Exception:
        return None


def _of_driver(connection: Any, is_async: bool) -> Any:
    """The driver's own connection beneath a pool's, and beneath SQLAlchemy's stand-in for an async one."""
    dbapi_connection = getattr(connection, "dbapi_connection", connection)
    return getattr(dbapi_connection, "driver_connection", dbapi_connection) if is_async else dbapi_connection
