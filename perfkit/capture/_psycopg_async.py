"""psycopg's async methods, wrapped for the length of a block."""

import functools
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from sys import _getframe
from time import perf_counter
from typing import Any

from perfkit.capture._psycopg_calls import PsycopgCalls, StreamWatch
from perfkit.capture.batches import counted
from perfkit.capture.patches import Function, leave_no_trace
from perfkit.capture.transactions import TransactionKind


class AsyncWrappers:
    """Wrappers of psycopg's async methods; coroutine functions stay coroutine functions."""

    def __init__(self, calls: PsycopgCalls, at_work: Container[int]) -> None:
        self._calls = calls
        self._at_work = at_work

    def execute(self, original: Function) -> Function:
        """One statement."""
        calls, at_work = self._calls, self._at_work

        @functools.wraps(original)
        async def execute(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
            sending = None
            if id(cursor.connection) not in at_work:
                sending = calls.send(cursor, query, params, _getframe(1))
            try:
                result = await original(cursor, query, params, **options)
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            calls.sent(sending, cursor)
            return result

        return execute

    def executemany(self, original: Function) -> Function:
        """One statement, many sets of parameters."""
        calls, at_work = self._calls, self._at_work

        @functools.wraps(original)
        async def executemany(cursor: Any, query: Any, params_seq: Any, **options: Any) -> Any:
            sending = None
            if id(cursor.connection) not in at_work:
                sending = calls.send(cursor, query, None, _getframe(1), many=True)
            sets = counted(params_seq, [sending.record] if sending else ())
            try:
                result = await original(cursor, query, sets, **options)
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            calls.sent_many(sending, cursor, options)
            return result

        return executemany

    def stream(self, original: Function) -> Function:
        """One statement whose rows come one by one."""
        calls = self._calls

        @functools.wraps(original)
        async def stream(cursor: Any, query: Any, params: Any = None, **options: Any) -> AsyncIterator[Any]:
            watch = StreamWatch(calls.send(cursor, query, params, _getframe(1)))
            rows = original(cursor, query, params, **options)
            failure: BaseException | None = None
            try:
                async for row in rows:
                    watch.received()
                    yield row
                    watch.resume()
                watch.over()
            except BaseException as error:
                failure = error
                leave_no_trace(error)
                raise
            finally:
                await rows.aclose()
                watch.ended(calls, cursor, failure)
                del failure

        return stream

    def copy(self, original: Function) -> Function:
        """COPY takes as long as its block: its rows are sent, or come, all the while."""
        calls = self._calls

        @functools.wraps(original)
        @asynccontextmanager
        async def copy(cursor: Any, statement: Any, params: Any = None, **options: Any) -> AsyncIterator[Any]:
            sending = calls.send(cursor, statement, params, _getframe(1))
            try:
                async with original(cursor, statement, params, **options) as copy:
                    yield copy
            except BaseException as error:
                calls.failed(sending, cursor, error)
                raise
            calls.copied(sending, cursor)

        return copy

    def end(self, kind: TransactionKind, original: Function) -> Function:
        """`commit` and `rollback` of a connection."""
        calls = self._calls

        @functools.wraps(original)
        async def end(connection: Any) -> Any:
            sent = calls.end(kind, connection, _getframe(1))
            try:
                return await original(connection)
            except BaseException as error:
                leave_no_trace(error)
                raise
            finally:
                calls.ended(sent)

        return end

    def enter(self, original: Function) -> Function:
        """The begin of a transaction block."""
        calls = self._calls

        @functools.wraps(original)
        async def enter(transaction: Any) -> Any:
            sent, start = None, perf_counter()
            if calls.is_idle(transaction.connection):
                sent = calls.frame("begin", transaction.connection, _getframe(1))
            try:
                result = await original(transaction)
            except BaseException as error:
                leave_no_trace(error)
                raise
            calls.entered(transaction, sent, start, _getframe(1))
            return result

        return enter

    def leave(self, original: Function) -> Function:
        """Its end."""
        calls = self._calls

        @functools.wraps(original)
        async def leave(transaction: Any, *error: Any) -> Any:
            was_open, start = not calls.is_idle(transaction.connection), perf_counter()
            try:
                return await original(transaction, *error)
            except BaseException as raised:
                leave_no_trace(raised)
                raise
            finally:
                calls.left(transaction, was_open, start, _getframe(1))

        return leave
