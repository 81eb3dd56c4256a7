"""asyncpg: every connection, pooled or not, those opened before the block included.

asyncpg's query logger is called by the event loop later on: it knows neither the line that asked nor the
rows, and it is told nothing of prepared statements. So the public methods are wrapped for the block.
"""

import functools
import sys
from collections.abc import Callable, Container
from sys import _getframe
from time import perf_counter
from types import FrameType
from typing import Any

from perfkit.capture.batches import counted
from perfkit.capture.patches import Function, Patches
from perfkit.capture.pool_hooks import is_pool_at_work
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.transactions import Frame, TransactionKind, kind_of

Rows = Callable[[Any], int | None]


def _tag_number(tag: Any) -> int | None:
    """Rows in a command tag of PostgreSQL's, such as `SELECT 5`; other commands return none."""
    verb, _, number = str(tag).rpartition(" ")
    return int(number) if verb in ("SELECT", "COPY") and number.isdigit() else 0


def _no_rows(result: Any) -> int:
    return 0


def _one_row(result: Any) -> int:
    return int(result is not None)


def _some_value(result: Any) -> int | None:
    """A null may be a row's value or no row."""
    return None if result is None else 1


_ROWS: dict[str, Rows] = {
    "execute": _tag_number, "executemany": _no_rows, "fetch": len, "fetchmany": len, "fetchrow": _one_row,
    "fetchval": _some_value, "copy_from_table": _tag_number, "copy_from_query": _tag_number,
    "copy_to_table": _tag_number, "copy_records_to_table": _tag_number,
}  # fmt: skip
_COPIES = {
    "copy_from_table": "COPY {} TO STDOUT", "copy_from_query": "COPY ({}) TO STDOUT",
    "copy_to_table": "COPY {} FROM STDIN", "copy_records_to_table": "COPY {} FROM STDIN",
}  # fmt: skip
_BATCHES = ("executemany", "fetchmany")
# Modules of asyncpg that pass on what the program asks: savepoints, and the methods of a pool's connections.
_ASKED_FOR_OTHERS = ("asyncpg.transaction", "asyncpg.pool")


class AsyncpgHooks:
    """Reports what asyncpg sends to a recorder, between `install` and `remove`.

    Args:
        recorder: where statements are counted.
        at_work: the connections on which SQLAlchemy is sending: it reports those itself.
        framing: the begins, commits and rollbacks that SQLAlchemy has reported, by connection.
    """

    def __init__(
        self, recorder: Recorder, at_work: Container[int], framing: dict[int, TransactionKind]
    ) -> None:
        self._recorder = recorder
        self._at_work = at_work
        self._framing = framing
        self._is_active = False
        self._patches = Patches()

    def install(self) -> None:
        """Wrap the methods of asyncpg's classes; nothing where asyncpg is not in use."""
        connection = getattr(sys.modules.get("asyncpg.connection"), "Connection", None)
        prepared = getattr(sys.modules.get("asyncpg.prepared_stmt"), "PreparedStatement", None)
        if connection is None or prepared is None:
            return
        self._is_active = True
        for owner in (connection, prepared):
            for name in _ROWS:
                self._patches.replace(owner, name, functools.partial(self._wrap, name, owner is prepared))
            self._patches.replace(owner, "cursor", functools.partial(self._wrap_cursor, owner is prepared))

    def remove(self) -> None:
        """Put every method back."""
        if not self._is_active and "asyncpg.connection" in sys.modules:
            self._recorder.note("asyncpg was imported inside the block: its statements were not seen.")
        self._is_active = False
        self._patches.restore()

    def _wrap(self, name: str, is_prepared: bool, original: Function) -> Function:
        rows = _ROWS[name]

        @functools.wraps(original)
        async def method(owner: Any, *args: Any, **options: Any) -> Any:
            sent, args = self._send(name, is_prepared, owner, args, options, _getframe(1))
            try:
                result = await original(owner, *args, **options)
            except BaseException as error:
                self._answered(sent)
                if isinstance(sent, Record):
                    sent.error_type = type(error).__name__
                raise
            self._answered(sent)
            if isinstance(sent, Record):
                sent.rows = rows(result)
            return result

        return method

    def _answered(self, sent: Record | Frame | None) -> None:
        if isinstance(sent, Record):
            sent.end = perf_counter()
        else:
            self._recorder.ended(sent)

    def _wrap_cursor(self, is_prepared: bool, original: Function) -> Function:
        """A cursor asks when its rows are read; how long that takes is not known here."""

        @functools.wraps(original)
        def cursor(owner: Any, *args: Any, **options: Any) -> Any:
            sent, args = self._send("cursor", is_prepared, owner, args, options, _getframe(1))
            if isinstance(sent, Record):
                sent.end = sent.start
                self._recorder.note(
                    "The time of asyncpg's cursors is unknown: their rows come while they are read."
                )
            return original(owner, *args, **options)

        return cursor

    def _send(
        self,
        name: str,
        is_prepared: bool,
        owner: Any,
        args: tuple[Any, ...],
        options: dict[str, Any],
        frame: FrameType,
    ) -> tuple[Record | Frame | None, tuple[Any, ...]]:
        """Count what is sent; also the arguments, in which an iterator of sets counts itself."""
        if not self._is_active or id(connection := _connection(owner)) in self._at_work:
            return None, args
        try:
            query = owner.get_query() if is_prepared else _query(args, options)
            if type(query) is not str or is_pool_at_work(frame):
                return None, args
            caller = str(frame.f_globals.get("__name__"))
            kind = kind_of(query) if caller == "asyncpg.transaction" else None
            if kind is not None:
                return self._frame(kind, connection, frame), args
            if caller.startswith("asyncpg.") and caller not in _ASKED_FOR_OTHERS:
                return None, args  # asyncpg asks for its own sake
            record = self._recorder.new(_COPIES.get(name, "{}").format(query), "postgresql", "asyncpg")
            position = 0 if is_prepared else 1
            is_batch = name in _BATCHES
            self._recorder.describe(record, frame, None if is_batch else args[position:], connection)
            record.start = perf_counter()
        except Exception as error:
            self._recorder.note(
                f"Details of some statements are missing ({type(error).__name__} in perfkit)."
            )
            return None, args
        return record, _with_counted_sets(record, args, position) if is_batch else args

    def _frame(self, kind: TransactionKind, connection: Any, frame: FrameType) -> Frame | None:
        """Count it unless SQLAlchemy has."""
        if self._framing.pop(id(connection), None) == kind:
            return None
        return self._recorder.transaction(kind, frame, connection)


def _connection(owner: Any) -> Any:
    """The connection of a prepared statement, which tells it nowhere in public; or the connection itself."""
    return getattr(owner, "_connection", owner)


def _query(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    if args:
        return args[0]
    return next((options[name] for name in ("query", "command", "table_name") if name in options), None)


def _with_counted_sets(record: Record, args: tuple[Any, ...], position: int) -> tuple[Any, ...]:
    if len(args) <= position or hasattr(type(args[position]), "__aiter__"):
        return args
    return (*args[:position], counted(args[position], [record]), *args[position + 1 :])
