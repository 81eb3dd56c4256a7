"""Connections and cursors of sqlite3 that tell what they run while a block listens, and else pass it on."""

import sqlite3
from collections.abc import Callable
from sys import _getframe
from time import perf_counter
from types import FrameType
from typing import Any, Protocol

from perfkit.capture.batches import counted
from perfkit.capture.patches import leave_no_trace
from perfkit.capture.record import Record
from perfkit.capture.rows import RowCount
from perfkit.capture.transactions import Frame, TransactionKind


class Sending:
    """A statement on its way."""

    __slots__ = ("record", "was_open")

    def __init__(self, record: Record, was_open: bool) -> None:
        self.record = record
        self.was_open = was_open


class Listener(Protocol):
    """One block that listens."""

    def send(
        self, connection: sqlite3.Connection, statement: Any, parameters: Any, frame: FrameType
    ) -> Sending | None:
        """A statement is about to run."""

    def sent(self, sending: Sending, cursor: sqlite3.Cursor, frame: FrameType) -> None:
        """It ran."""

    def failed(self, sending: Sending, error: BaseException) -> None:
        """It failed."""

    def ending(self, kind: TransactionKind, connection: sqlite3.Connection, frame: FrameType) -> Frame | None:
        """A transaction is about to end."""

    def ended(self, sent: Frame | None) -> None:
        """It has ended; `sent` is what `ending` returned."""


# Replaced, never changed: a statement keeps the listeners that it began with.
listeners: tuple[Listener, ...] = ()
_watched: dict[type[sqlite3.Connection], type[sqlite3.Connection]] = {}


def listen(listener: Listener) -> None:
    """Tell this block what is run from now on."""
    global listeners
    listeners = (*listeners, listener)


def stop_listening(listener: Listener) -> None:
    """Tell it no more."""
    global listeners
    listeners = tuple(known for known in listeners if known is not listener)


class _Cursor(sqlite3.Cursor):
    _perfkit_rows: tuple[RowCount, ...] = ()

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        run = super().execute
        if not listeners:
            return run(sql, parameters)
        try:
            return _run(self, lambda _: run(sql, parameters), sql, parameters, _getframe(1))
        except BaseException as error:
            leave_no_trace(error)
            raise

    def executemany(self, sql: str, seq_of_parameters: Any, /) -> Any:
        run = super().executemany
        if not listeners:
            return run(sql, seq_of_parameters)
        try:
            return _run(
                self, lambda sent: run(sql, counted(seq_of_parameters, sent)), sql, None, _getframe(1)
            )
        except BaseException as error:
            leave_no_trace(error)
            raise

    def executescript(self, sql_script: str, /) -> Any:
        run = super().executescript
        if not listeners:
            return run(sql_script)
        _tell_end("commit", self.connection, _getframe(1))  # how long it takes is part of the script's time
        try:
            return _run(self, lambda _: run(sql_script), sql_script, None, _getframe(1))
        except BaseException as error:
            leave_no_trace(error)
            raise

    def fetchone(self) -> Any:
        start = perf_counter()
        row = super().fetchone()
        _add(self, row is not None, start)
        return row

    def fetchmany(self, *args: Any, **options: Any) -> Any:
        start = perf_counter()
        rows = super().fetchmany(*args, **options)
        _add(self, len(rows), start)
        return rows

    def fetchall(self) -> Any:
        start = perf_counter()
        rows = super().fetchall()
        _add(self, len(rows), start)
        return rows

    def __iter__(self) -> Any:
        """Rows that are read by iteration are not counted: that would slow every one of them down."""
        for rows in self._perfkit_rows:
            rows.rows = None
        self._perfkit_rows = ()
        return super().__iter__()


def watched(factory: type[sqlite3.Connection]) -> type[sqlite3.Connection]:
    """A class of connections that tells what it runs.

    Args:
        factory: the class that the program asked for.

    Returns:
        A class derived from it, of the same name; the same one every time.
    """
    known = _watched.get(factory)
    if known is None:
        known = _watched[factory] = _derived(factory)
    return known


def _execute(self: sqlite3.Connection, sql: str, parameters: Any = (), /) -> Any:
    try:
        return self.cursor().execute(sql, parameters)
    except BaseException as error:
        leave_no_trace(error)
        raise


def _executemany(self: sqlite3.Connection, sql: str, parameters: Any, /) -> Any:
    try:
        return self.cursor().executemany(sql, parameters)
    except BaseException as error:
        leave_no_trace(error)
        raise


def _executescript(self: sqlite3.Connection, sql_script: str, /) -> Any:
    try:
        return self.cursor().executescript(sql_script)
    except BaseException as error:
        leave_no_trace(error)
        raise


def _derived(factory: type[sqlite3.Connection]) -> type[sqlite3.Connection]:

    class Connection(factory):  # type: ignore[valid-type,misc]
        def cursor(self, factory: Any = _Cursor) -> Any:
            return super().cursor(factory)

        execute, executemany, executescript = _execute, _executemany, _executescript

        def commit(self) -> None:
            told = _tell_end("commit", self, _getframe(1))
            try:
                super().commit()
            finally:
                _tell_ended(told)

        def rollback(self) -> None:
            told = _tell_end("rollback", self, _getframe(1))
            try:
                super().rollback()
            finally:
                _tell_ended(told)

        def __exit__(self, kind: Any, error: Any, traceback: Any) -> Any:
            told = _tell_end("commit" if kind is None else "rollback", self, _getframe(1))
            try:
                return super().__exit__(kind, error, traceback)
            finally:
                _tell_ended(told)

    _name_like(Connection, factory)
    return Connection


def is_watched(connection_type: type) -> bool:
    """Whether connections of this class tell what they run."""
    return connection_type.__dict__.get("_perfkit_watched", False) is True


def _name_like(cls: type, model: type) -> None:
    """What the program prints of its objects stays what it was."""
    cls.__module__, cls.__name__, cls.__qualname__ = model.__module__, model.__name__, model.__qualname__
    cls.__doc__ = model.__doc__
    cls._perfkit_watched = True  # type: ignore[attr-defined]


_name_like(_Cursor, sqlite3.Cursor)


def _run(
    cursor: _Cursor, run: Callable[[list[Record]], Any], sql: Any, parameters: Any, frame: FrameType
) -> Any:
    cursor._perfkit_rows = ()
    told = [
        (listener, sending)
        for listener in listeners
        if (sending := listener.send(cursor.connection, sql, parameters, frame)) is not None
    ]
    try:
        result = run([sending.record for _, sending in told])
    except BaseException as error:
        for listener, sending in told:
            listener.failed(sending, error)
        raise
    for listener, sending in told:
        listener.sent(sending, cursor, frame)
    cursor._perfkit_rows = tuple(
        sending.record.consumed for _, sending in told if sending.record.consumed is not None
    )
    return result


def _tell_end(
    kind: TransactionKind, connection: sqlite3.Connection, frame: FrameType
) -> list[tuple[Listener, Frame | None]]:
    return [(listener, listener.ending(kind, connection, frame)) for listener in listeners]


def _tell_ended(told: list[tuple[Listener, Frame | None]]) -> None:
    for listener, sent in told:
        listener.ended(sent)


def _add(cursor: _Cursor, number: int, start_s: float) -> None:
    for rows in cursor._perfkit_rows:
        rows.rows = (rows.rows or 0) + number
        rows.fetch_s += perf_counter() - start_s
