"""sqlite3 without SQLAlchemy: connections opened inside the block, and those from before it.

sqlite3's classes cannot be patched. A connection that is opened inside the block therefore is of a class
derived from the one asked for, which tells every statement with its time, to this block and to later ones,
and passes calls on while there is none. Connections from before: see `perfkit.capture._sqlite3_trace`.
"""

import functools
import sqlite3
from sys import _getframe
from time import perf_counter
from types import FrameType
from typing import Any

from sqlalchemy.engine import Engine

from perfkit.capture._sqlite3_classes import Sending, listen, stop_listening, watched
from perfkit.capture._sqlite3_trace import Sqlite3Trace
from perfkit.capture.fingerprint import operation_name
from perfkit.capture.patches import Function, Patches, leave_no_trace
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.rows import RowCount
from perfkit.capture.transactions import Frame, TransactionKind

# They open connections for themselves, and what they send is reported by their own hooks.
_OPENERS = ("sqlalchemy", "django", "aiosqlite")
_FRAMING = ("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE")
_FACTORY_POSITION = 5


class Sqlite3Hooks:
    """Reports what sqlite3 runs to a recorder, between `install` and `remove`.

    Args:
        recorder: where statements are counted.
        trace: reports what connections from before the block run.
    """

    def __init__(self, recorder: Recorder, trace: Sqlite3Trace) -> None:
        self._recorder = recorder
        self._is_active = False
        self._patches = Patches()
        self._trace = trace

    def install(self) -> None:
        """Watch the connections there are, and `sqlite3.connect`."""
        self._is_active = True
        listen(self)
        self._trace.install()
        for module in (sqlite3, sqlite3.dbapi2):
            self._patches.replace(module, "connect", self._connecting)
        self._patches.replace(Engine, "raw_connection", self._borrowing)

    def remove(self) -> None:
        """Put `sqlite3.connect` back and take callbacks away."""
        self._is_active = False
        stop_listening(self)
        self._patches.restore()
        self._trace.remove()

    def _connecting(self, original: Function) -> Function:
        @functools.wraps(original)
        def connect(*args: Any, **options: Any) -> Any:
            if self._is_active and _opener(_getframe(1)) not in _OPENERS and len(args) <= _FACTORY_POSITION:
                factory = options.get("factory", sqlite3.Connection)
                if isinstance(factory, type) and issubclass(factory, sqlite3.Connection):
                    options = {**options, "factory": watched(factory)}
            try:
                return original(*args, **options)
            except BaseException as error:
                leave_no_trace(error)
                raise

        return connect

    def _borrowing(self, original: Function) -> Function:
        """A connection that the program takes from SQLAlchemy to use it without SQLAlchemy."""

        @functools.wraps(original)
        def raw_connection(engine: Any) -> Any:
            try:
                borrowed = original(engine)
            except BaseException as error:
                leave_no_trace(error)
                raise
            if self._is_active and _opener(_getframe(1)) != "sqlalchemy":
                connection = borrowed.dbapi_connection
                if type(connection) is sqlite3.Connection:
                    self._trace.watch(connection)
            return borrowed

        return raw_connection

    def send(
        self, connection: sqlite3.Connection, statement: Any, parameters: Any, frame: FrameType
    ) -> Sending | None:
        """Count a statement; `None` for what sqlite3 will refuse."""
        if type(statement) is not str:
            return None
        record = self._recorder.new(statement, "sqlite", "sqlite3")
        try:
            self._recorder.describe(record, frame, parameters, connection)
            was_open = connection.in_transaction
        except Exception as error:
            self._miss(error)
            was_open = True
        record.start = perf_counter()
        return Sending(record, was_open)

    def sent(self, sending: Sending, cursor: sqlite3.Cursor, frame: FrameType) -> None:
        """A statement ran as far as its first row; the others are fetched by the program."""
        record = sending.record
        record.end = perf_counter()
        try:
            if cursor.description is None:
                record.rows = 0
            else:
                record.consumed = RowCount()
            if not sending.was_open and cursor.connection.in_transaction:
                self._begun(record, cursor.connection, frame)
        except Exception as error:
            self._miss(error)

    def failed(self, sending: Sending, error: BaseException) -> None:
        """A statement ended with an error."""
        sending.record.end = perf_counter()
        sending.record.error_type = type(error).__name__

    def ending(self, kind: TransactionKind, connection: sqlite3.Connection, frame: FrameType) -> Frame | None:
        """Count a commit or rollback that has something to end."""
        try:
            if connection.in_transaction:
                return self._recorder.transaction(kind, frame, connection)
        except Exception as error:
            self._miss(error)
        return None

    def ended(self, sent: Frame | None) -> None:
        """It has ended."""
        self._recorder.ended(sent)

    def _begun(self, record: Record, connection: sqlite3.Connection, frame: FrameType) -> None:
        """Count the BEGIN that sqlite3 sends on its own."""
        if operation_name(record.shape_source) not in _FRAMING:
            self._recorder.transaction("begin", frame, connection)

    def _miss(self, error: Exception) -> None:
        self._recorder.note(f"Details of some statements are missing ({type(error).__name__} in perfkit).")


def _opener(frame: FrameType | None) -> str:
    """The package of the code that opens a connection, through the wrappers of blocks around this one."""
    name = "perfkit"
    while frame is not None and name == "perfkit":
        name = str(frame.f_globals.get("__name__")).partition(".")[0]
        frame = frame.f_back
    return name
