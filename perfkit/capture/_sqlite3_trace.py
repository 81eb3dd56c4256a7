"""Connections of sqlite3 that were opened before the block, watched by SQLite's own trace.

sqlite3's classes cannot be patched, so SQLite is asked to tell what it runs. It tells a statement when it
begins and says nothing about its end, its rows or its error. A connection has room for one such callback and
does not say which it has: one that has a callback of the user's is left alone.
"""

import gc
import re
import sqlite3
import sys
import threading
from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple, cast

from perfkit.capture._sqlite3_classes import is_watched
from perfkit.capture.call_site import calls_method, is_user_file
from perfkit.capture.live_objects import live_objects
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.transactions import TransactionKind, kind_of

_MODULE = sys.modules["_sqlite3"]
# SQLite writes the values into the text. Names in quotes and comments stay, whatever they hold.
_VALUES = re.compile(
    r"""("(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\b[A-Za-z_]\w*)"""
    r"""|[xX]?'(?:[^']|'')*'|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+""",
    re.DOTALL,
)
# The search takes 20 ms in a notebook, an empty cell 2 ms. Each connection refers to its class: while
# their number is what it was when a search found nothing to watch, and no code of the user's has sqlite3
# at hand, there is nothing new to find.
_references_without = -1
# How many modules there were, and which of them are the program's own: a scan of all takes 1 ms.
_known_modules: tuple[int, tuple[str, ...]] = (0, ())
NOTE = (
    "Statements on sqlite3 connections from before the block were counted by SQLite's own trace: their time, "
    "rows and errors are unknown, a statement counts again for each trigger it fires, and an executemany "
    "that one line repeats at once counts as one."
)

_lock = threading.Lock()


class _Batch(NamedTuple):
    """The last statement of a connection, sent by an `executemany`."""

    record: Record
    mark: object  # the frame's own, which dies with it
    instruction: int


class _Tracer:
    """The trace callback of one connection, for every block that watches it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection_id = id(connection)  # a reference would keep a dropped connection open
        self.traces: tuple[Sqlite3Trace, ...] = ()

    def __call__(self, statement: str) -> None:
        for trace in self.traces:
            trace.seen(self, statement, sys._getframe(1))


class Sqlite3Trace:
    """Reports what SQLite traces to a recorder, between `install` and `remove`.

    Args:
        recorder: where statements are counted.
        at_work: the cursors on which SQLAlchemy is sending: it reports those itself.
        framing: the begins, commits and rollbacks that SQLAlchemy has reported, by connection.
    """

    def __init__(
        self, recorder: Recorder, at_work: Mapping[int, Any], framing: dict[int, TransactionKind]
    ) -> None:
        self._recorder = recorder
        self._at_work = at_work
        self._framing = framing
        self._tracers: list[_Tracer] = []
        self._batches: dict[_Tracer, _Batch] = {}

    def install(self) -> None:
        """Set the callback on every connection that has none and belongs to no library that we watch."""
        global _references_without
        references = sys.getrefcount(sqlite3.Connection)
        if references == _references_without and not _program_uses_sqlite3():
            return
        connections, owned = _live_connections()
        others = [thing for thing in connections if id(thing) not in owned and not is_watched(type(thing))]
        watched = [self.watch(connection) for connection in others]  # all of them, not up to the first
        if not any(watched):
            _references_without = references

    def remove(self) -> None:
        """Take the callbacks away from the connections that still are."""
        self._batches.clear()
        if not self._tracers:
            return
        with _lock:
            for tracer in self._tracers:
                tracer.traces = tuple(trace for trace in tracer.traces if trace is not self)
            ended = {id(tracer) for tracer in self._tracers if not tracer.traces}
            for connection in _live_connections()[0]:
                if any(id(known) in ended for known in _callbacks(connection)):
                    _set(connection, None)
        self._tracers.clear()

    def seen(self, tracer: _Tracer, statement: str, frame: Any) -> None:
        """SQLite begins a statement."""
        try:
            if self._is_sqlalchemys(tracer):
                return
            kind = kind_of(statement)
            shape_source = _VALUES.sub(_keep, statement)
            if self._goes_on(tracer, shape_source, frame):
                return
            if kind is not None:
                if self._framing.pop(tracer.connection_id, None) != kind:
                    self._recorder.transaction(kind, frame, tracer)
                return
            record = self._recorder.new(shape_source, "sqlite", "sqlite3")
            self._recorder.describe(record, frame, (statement,), tracer)
            self._recorder.hide_parameters(record)
            record.start = record.end = perf_counter()
            if calls_method(frame.f_code, frame.f_lasti, "executemany"):
                self._batches[tracer] = _Batch(record, frame.f_trace, frame.f_lasti)
            self._recorder.note(NOTE)
        except Exception as error:
            self._recorder.note(
                f"Details of some statements are missing ({type(error).__name__} in perfkit)."
            )

    def _goes_on(self, tracer: _Tracer, shape_source: str, frame: Any) -> bool:
        """Whether this is the next row of the `executemany` that the connection is at."""
        batch = self._batches.pop(tracer, None)
        if batch is None or batch.mark is None or batch.record.shape_source != shape_source:
            return False
        if frame.f_trace is not batch.mark or frame.f_lasti != batch.instruction:
            return False
        batch.record.batch_size += 1
        self._batches[tracer] = batch
        return True

    def _is_sqlalchemys(self, tracer: _Tracer) -> bool:
        """Whether SQLAlchemy is sending on a connection that the program has borrowed from it."""
        return any(
            id(getattr(cursor, "connection", None)) == tracer.connection_id
            for cursor in list(self._at_work.values())
        )

    def watch(self, connection: sqlite3.Connection) -> bool:
        """Set the callback, unless the connection has one or is another thread's.

        Returns:
            Whether the connection is one that this thread's code may use.
        """
        with _lock:
            known = _callbacks(connection)
            tracer = next((callback for callback in known if type(callback) is _Tracer), None)
            if tracer is None and _MODULE in known:
                self._recorder.note(
                    "A sqlite3 connection has a callback of the program's own; its statements were not seen."
                )
                return True
            if tracer is None:
                tracer = _Tracer(connection)
                if not _is_bound_to_a_thread(connection) or not _set(connection, tracer):
                    return False
            if self not in tracer.traces:
                tracer.traces = (*tracer.traces, self)
                self._tracers.append(tracer)
            return True


def _keep(match: re.Match[str]) -> str:
    return match.group(1) or "?"


def _callbacks(connection: sqlite3.Connection) -> list[Any]:
    """What the connection refers to: with a callback of any kind, also sqlite3's own module."""
    return gc.get_referents(connection)


def _is_bound_to_a_thread(connection: sqlite3.Connection) -> bool:
    """Whether only the thread that opened the connection may use it, as sqlite3 has it by default.

    Setting a callback waits for SQLite's lock while it holds Python's, and a statement that another thread is
    running on the same connection holds SQLite's lock while its callback waits for Python's: neither would
    ever go on. IPython's history is such a connection. So those that threads share are left alone.
    """
    refusals: list[sqlite3.ProgrammingError] = []

    def use() -> None:
        try:
            sqlite3.Connection.cursor(connection).close()
        except sqlite3.ProgrammingError as error:
            refusals.append(error)

    thread = threading.Thread(target=use, name="perfkit-sqlite3", daemon=True)
    thread.start()
    thread.join()
    return bool(refusals)


def _set(connection: sqlite3.Connection, tracer: _Tracer | None) -> bool:
    """Set or take the callback; refused for a connection that is closed or that is another thread's."""
    try:
        connection.set_trace_callback(tracer)
    except sqlite3.ProgrammingError:
        return False
    return True


def _program_uses_sqlite3() -> bool:
    """Whether a module of the user's, or the notebook, has imported sqlite3 or its `connect`."""
    return any(
        names.get("sqlite3") is sqlite3 or names.get("connect") is sqlite3.connect
        for names in (_names(name) for name in _program_modules())
    )


def _names(module_name: str) -> dict[str, Any]:
    """What a module holds; some programs put things that are no modules in their place."""
    return getattr(sys.modules.get(module_name), "__dict__", {})


def _program_modules() -> tuple[str, ...]:
    """The modules that are no library's, looked for anew when modules were imported."""
    global _known_modules
    number = len(sys.modules)
    if _known_modules[0] != number:
        # By its dictionary: a module that loads when it is used is not to load for this.
        files = [(name, _names(name).get("__file__")) for name in list(sys.modules)]
        own = tuple(name for name, path in files if path is None or is_user_file(str(path)))
        _known_modules = number, own
    return _known_modules[1]


def _live_connections() -> tuple[list[sqlite3.Connection], set[int]]:
    """Connections of sqlite3, and the numbers of those that a library watched elsewhere has in hand."""
    connections: list[sqlite3.Connection] = []
    owned: set[int] = set()
    for thing in live_objects([sqlite3.Connection, *_owners()]):
        if issubclass(type(thing), sqlite3.Connection):
            connections.append(cast(sqlite3.Connection, thing))
        else:
            owned.update(id(referent) for referent in _reached(thing))
    return connections, owned


def _reached(owner: Any) -> Iterable[Any]:
    """What an owner holds, in its attributes or slots, or in a dictionary there, as traitlets does."""
    for referent in gc.get_referents(owner):
        yield referent
        if type(referent) is dict:
            for value in list(referent.values()):
                yield value
                if type(value) is dict:
                    yield from list(value.values())


def _owners() -> list[type]:
    """SQLAlchemy's pools, Django's and aiosqlite's connections, IPython's history."""
    names = (
        ("sqlalchemy.pool", "ConnectionPoolEntry"),
        ("django.db.backends.base.base", "BaseDatabaseWrapper"),
        ("aiosqlite.core", "Connection"),
        ("IPython.core.history", "HistoryAccessor"),
    )
    found = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return [cls for cls in found if isinstance(cls, type)]
