"""psycopg 3, sync and async: every cursor of every connection, those opened before the block included."""

import functools
from collections.abc import Container, Iterator
from contextlib import contextmanager
from sys import _getframe
from time import perf_counter
from typing import Any

from perfkit.capture._psycopg_async import AsyncWrappers
from perfkit.capture._psycopg_calls import PsycopgCalls, StreamWatch
from perfkit.capture.batches import counted
from perfkit.capture.patches import Function, Patches, leave_no_trace
from perfkit.capture.recorder import Recorder
from perfkit.capture.transactions import TransactionKind


class PsycopgHooks:
    """Reports what psycopg sends to a recorder, between `install` and `remove`.

    Args:
        recorder: where statements are counted.
        at_work: the cursors and async connections on which SQLAlchemy is sending: it reports those itself.
        framing: the begins, commits and rollbacks that SQLAlchemy has reported, by connection.
    """

    def __init__(
        self, recorder: Recorder, at_work: Container[int], framing: dict[int, TransactionKind]
    ) -> None:
        self._recorder = recorder
        self._at_work = at_work
        self._framing = framing
        self._patches = Patches()
        self._calls: PsycopgCalls | None = None

    def install(self) -> None:
        """Wrap the methods of psycopg's classes; nothing happens where psycopg cannot be imported."""
        try:
            import psycopg
        except ImportError:
            return
        calls = self._calls = PsycopgCalls(self._recorder, self._framing, psycopg)
        sync, asynchronous = _Wrappers(calls, self._at_work), AsyncWrappers(calls, self._at_work)
        replace = self._patches.replace
        for wrappers, cursors, connection in (
            (sync, (psycopg.Cursor, psycopg.ServerCursor), psycopg.Connection),
            (asynchronous, (psycopg.AsyncCursor, psycopg.AsyncServerCursor), psycopg.AsyncConnection),
        ):
            for cursor in cursors:
                replace(cursor, "execute", wrappers.execute)
            replace(cursors[0], "executemany", wrappers.executemany)
            replace(cursors[0], "stream", wrappers.stream)
            replace(cursors[0], "copy", wrappers.copy)
            replace(connection, "commit", functools.partial(wrappers.end, "commit"))
            replace(connection, "rollback", functools.partial(wrappers.end, "rollback"))
        replace(psycopg.Transaction, "__enter__", sync.enter)
        replace(psycopg.Transaction, "__exit__", sync.leave)
        replace(psycopg.AsyncTransaction, "__aenter__", asynchronous.enter)
        replace(psycopg.AsyncTransaction, "__aexit__", asynchronous.leave)

    def remove(self) -> None:
        """Put every method back. A call that is under way in another thread ends as it began."""
        if self._calls is not None:
            self._calls.is_active = False
        self._patches.restore()


class _Wrappers:
    """Wrappers of psycopg's sync methods."""

    def __init__(self, calls: PsycopgCalls, at_work: Container[int]) -> None:
        self._calls = calls
        self._at_work = at_work

    def execute(self, original: Function) -> Function:
        calls, at_work = self._calls, self._at_work

        @functools.wraps(original)
        def execute(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
            # Every statement of SQLAlchemy's comes here too, and is counted there.
            sending = None if id(cursor) in at_work else calls.send(cursor, query, params, _getframe(1))
            try:
                result = original(cursor, query, params, **options)
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            if sending is not None:
                calls.sent(sending, cursor)
            return result

        return execute

    def executemany(self, original: Function) -> Function:
        calls, at_work = self._calls, self._at_work

        @functools.wraps(original)
        def executemany(cursor: Any, query: Any, params_seq: Any, **options: Any) -> Any:
            sending = None
            if id(cursor) not in at_work:
                sending = calls.send(cursor, query, None, _getframe(1), many=True)
            sets = counted(params_seq, [sending.record] if sending else ())
            try:
                result = original(cursor, query, sets, **options)
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            calls.sent_many(sending, cursor, options)
            return result

        return executemany

    def stream(self, original: Function) -> Function:
        calls = self._calls

        @functools.wraps(original)
        def stream(cursor: Any, query: Any, params: Any = None, **options: Any) -> Iterator[Any]:
            watch = StreamWatch(calls.send(cursor, query, params, _getframe(1)))
            rows = original(cursor, query, params, **options)
            failure: BaseException | None = None
            try:
                for row in rows:
                    watch.received()
                    yield row
                    watch.resume()
                watch.over()
            except BaseException as error:
                failure = error
                leave_no_trace(error)
                raise
            finally:
                rows.close()
                watch.ended(calls, cursor, failure)
                del failure

        return stream

    def copy(self, original: Function) -> Function:
        """COPY takes as long as its block: its rows are sent, or come, all the while."""
        calls = self._calls

        @functools.wraps(original)
        @contextmanager
        def copy(cursor: Any, statement: Any, params: Any = None, **options: Any) -> Iterator[Any]:
            sending = calls.send(cursor, statement, params, _getframe(1))
            try:
                with original(cursor, statement, params, **options) as copy:
                    yield copy
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            calls.copied(sending, cursor)

        return copy

    def end(self, kind: TransactionKind, original: Function) -> Function:
        calls = self._calls

        @functools.wraps(original)
        def end(connection: Any) -> Any:
            sent = calls.end(kind, connection, _getframe(1))
            try:
                return original(connection)
            except BaseException as error:
                leave_no_trace(error)
                raise
            finally:
                calls.ended(sent)

        return end

    def enter(self, original: Function) -> Function:
        calls = self._calls

        @functools.wraps(original)
        def enter(transaction: Any) -> Any:
            sent, start = None, perf_counter()
            if calls.is_idle(transaction.connection):
                sent = calls.frame("begin", transaction.connection, _getframe(1))
            try:
                result = original(transaction)
            except BaseException as error:
                leave_no_trace(error)
                raise
            calls.entered(transaction, sent, start, _getframe(1))
            return result

        return enter

    def leave(self, original: Function) -> Function:
        calls = self._calls

        @functools.wraps(original)
        def leave(transaction: Any, *error: Any) -> Any:
            was_open, start = not calls.is_idle(transaction.connection), perf_counter()
            try:
                return original(transaction, *error)
            except BaseException as raised:
                leave_no_trace(raised)
                raise
            finally:
                calls.left(transaction, was_open, start, _getframe(1))

        return leave
