"""Django's statements, through the wrappers that every connection of its has room for."""

import functools
import sys
import weakref
from time import perf_counter
from types import FrameType
from typing import Any

from perfkit.capture.django_orm import django_load
from perfkit.capture.live_objects import live_objects
from perfkit.capture.orm import NO_LOAD, OrmLoad
from perfkit.capture.patches import Function, Patches
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.result_size import note_size, sent_rows
from perfkit.capture.transactions import Frame, TransactionKind

_VENDORS = {"postgresql": "postgresql", "sqlite": "sqlite", "mysql": "mysql", "oracle": "oracle"}


class DjangoHooks:
    """Reports what Django sends to a recorder, between `install` and `remove`.

    Args:
        recorder: where statements are counted.
        at_work: filled with the cursors on which Django is sending, so that their driver's hooks pass on.
    """

    def __init__(self, recorder: Recorder, at_work: dict[int, Any]) -> None:
        self._recorder = recorder
        self._at_work = at_work
        self._is_active = False
        self._patches = Patches()
        self._connections: list[weakref.ref[Any]] = []

    def install(self) -> None:
        """Wrap every connection there is and every one to come; nothing where Django is not in use."""
        base = _django_in_use()
        if base is None:
            return
        from django.db.backends.signals import connection_created

        self._is_active = True
        connection_created.connect(self._opened, weak=False, dispatch_uid=id(self))
        for connection in live_objects([base.BaseDatabaseWrapper]):
            self._wrap(connection)
        self._patches.replace(base.BaseDatabaseWrapper, "commit", self._ending("commit"))
        self._patches.replace(base.BaseDatabaseWrapper, "rollback", self._ending("rollback"))

    def remove(self) -> None:
        """Take every wrapper away."""
        if not self._is_active:
            if _django_in_use() is not None:
                self._recorder.note("Django was set up inside the block: its statements were not seen.")
            return
        from django.db.backends.signals import connection_created

        self._is_active = False
        connection_created.disconnect(dispatch_uid=id(self))
        self._patches.restore()
        while self._connections:
            connection = self._connections.pop()()
            if connection is not None and self._execute in connection.execute_wrappers:
                connection.execute_wrappers.remove(self._execute)

    def _opened(self, *, connection: Any, **context: Any) -> None:
        self._wrap(connection)

    def _wrap(self, connection: Any) -> None:
        # The last in the list runs first, outside of all others; the first sees what is really sent.
        if self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self._execute)
            self._connections.append(weakref.ref(connection))

    def _execute(self, execute: Function, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        connection, cursor = context["connection"], context["cursor"]
        if not self._is_active:
            return execute(sql, params, many, context)
        record = self._send(connection, sql, params, many, sys._getframe(1))
        key = id(getattr(cursor, "cursor", None))
        self._at_work[key] = cursor
        try:
            result = execute(sql, params, many, context)
        except BaseException as error:
            if record is not None:
                record.end = perf_counter()
                record.error_type = type(error).__name__
            raise
        finally:
            self._at_work.pop(key, None)
        if record is not None:
            record.end = perf_counter()
            self._note_rows(record, cursor)
        return result

    def _send(self, connection: Any, sql: Any, params: Any, many: bool, frame: FrameType) -> Any:
        try:
            if connection.vendor == "sqlite" and sql == "BEGIN":
                self._recorder.transaction("begin", frame, connection.connection)
                return None
            if _begins(connection.connection):
                self._recorder.transaction("begin", frame, connection.connection)
            vendor = _VENDORS.get(connection.vendor, str(connection.vendor))
            record = self._recorder.new(str(sql), vendor, "django")
            if many and isinstance(params, list | tuple):
                record.batch_size = len(params)
            record.load = self._load(frame)
            self._recorder.describe(record, frame, None if many else params, connection.connection)
            record.start = perf_counter()
        except Exception as error:
            self._miss(error)
            return None
        return record

    def _load(self, frame: FrameType) -> OrmLoad:
        try:
            return django_load(frame)
        except Exception as error:  # models and fields are the program's, or somebody else's
            self._miss(error)
            return NO_LOAD

    def _note_rows(self, record: Record, cursor: Any) -> None:
        try:
            record.rows = sent_rows(cursor)
            note_size(record, cursor)
        except Exception as error:
            self._miss(error)

    def _ending(self, kind: TransactionKind) -> Any:
        """psycopg's commits and rollbacks are reported by its own hook."""

        def wrap(original: Function) -> Function:
            @functools.wraps(original)
            def end(connection: Any) -> Any:
                sent = self._end(kind, connection.connection, sys._getframe(1)) if self._is_active else None
                try:
                    return original(connection)
                finally:
                    self._recorder.ended(sent)

            return end

        return wrap

    def _end(self, kind: TransactionKind, raw: Any, frame: FrameType) -> Frame | None:
        try:
            if not hasattr(raw, "pgconn") and getattr(raw, "in_transaction", True):
                return self._recorder.transaction(kind, frame, raw)
        except Exception as error:
            self._miss(error)
        return None

    def _miss(self, error: Exception) -> None:
        self._recorder.note(f"Details of some statements are missing ({type(error).__name__} in perfkit).")


def _django_in_use() -> Any:
    """The module of Django's connections, once Django is configured."""
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    if settings is None or not settings.configured:
        return None
    return sys.modules.get("django.db.backends.base.base")


def _begins(raw: Any) -> bool:
    """Whether psycopg will send a BEGIN before the statement."""
    pgconn = getattr(raw, "pgconn", None)
    return pgconn is not None and not raw.autocommit and pgconn.transaction_status == 0
