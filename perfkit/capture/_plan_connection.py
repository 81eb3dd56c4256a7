"""The connection on which plans are asked for: the person's own, or one from their engine, left as it was."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from perfkit.capture.databases.errors import ExplainError, explain_error
from perfkit.capture.databases.request import INTERNAL

_T = TypeVar("_T")
# Of SQLAlchemy's own connection before asyncpg; it has no public name.
_ASYNCPG_CACHE = "_prepared_statement_cache"
# What perfkit asks is not fetched through a cursor in the server, though the connection may prefer that.
_OWN = {**INTERNAL, "stream_results": False}


def on_connection(connectable: object, work: Callable[[Connection], _T]) -> _T:
    """Do something on a connection.

    Args:
        connectable: an engine, from which one is taken and given back, or a connection, which is kept.
        work: what to do; its statements are marked as perfkit's own.

    Returns:
        What `work` returned.

    Raises:
        ExplainError: if there is no connection to be had.
    """
    if isinstance(connectable, AsyncEngine):
        connectable = connectable.sync_engine
    if isinstance(connectable, Connection):
        return _tagged_work(connectable, work)
    if not isinstance(connectable, Engine):
        raise ExplainError(
            f"Give a SQLAlchemy Engine, AsyncEngine or Connection, not {type(connectable).__name__}; "
            "of a Session, give session.connection()."
        )
    if connectable.dialect.is_async:
        return _in_own_loop(connectable, work)
    with _connected(connectable) as connection:
        return work(connection)


@contextmanager
def tagged(connection: Connection) -> Iterator[None]:
    """perfkit's own statements are marked while they run, so that its collectors do not count them."""
    before = connection.get_execution_options()
    connection.execution_options(**_OWN)
    try:
        with _unprepared(connection):
            yield
    finally:
        connection.execution_options(**{name: before.get(name, False) for name in _OWN})


@contextmanager
def _unprepared(connection: Connection) -> Iterator[None]:
    """psycopg prepares what it sends for the sixth time, SQLAlchemy for asyncpg everything.

    What perfkit sends would stay behind in the session, and a pooler in transaction mode would not find it
    again. And psycopg would forget the session's own ones on seeing that something is rolled back.
    """
    switch = _prepare_switch(connection)
    if switch is None:
        yield
        return
    before = getattr(*switch)
    setattr(*switch, None)
    try:
        yield
    finally:
        setattr(*switch, before)


def _prepare_switch(connection: Connection) -> tuple[Any, str] | None:
    """The attribute by which it is decided what is prepared and kept; `None` as its value means nothing."""
    try:
        pooled = connection.connection
    except SQLAlchemyError:
        return None  # it is lost, or its transaction is; what is asked next says so
    owners = (pooled.driver_connection, "prepare_threshold"), (pooled.dbapi_connection, _ASYNCPG_CACHE)
    return next((switch for switch in owners if hasattr(*switch)), None)


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise _without_password(explain_error(error), engine) from None
    with connection, _unprepared(connection):
        yield connection.execution_options(**_OWN)


def _without_password(error: ExplainError, engine: Engine) -> ExplainError:
    password = engine.url.password
    message = str(error).replace(str(password), "***") if password else str(error)
    return ExplainError(f"No connection to the database: {message}")


def _in_own_loop(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Ask through the async driver itself, in a thread with an event loop of its own.

    The connections of an async engine belong to the loop that opened them, so a fresh pool with the same
    settings opens one of its own.
    """

    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def ask() -> _T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await _with_own_pool(engine, work)

    def run() -> _T:
        # psycopg cannot use the loop that is Windows' default.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            return runner.run(ask())

    with ThreadPoolExecutor(1, "perfkit-explain") as executor:
        future = executor.submit(run)
        try:
            return future.result()
        except KeyboardInterrupt:
            for loop, task in running:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(task.cancel)
            raise


async def _with_own_pool(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    options = engine.get_execution_options()
    own = Engine(engine.pool.recreate(), engine.dialect, engine.url, execution_options=options)
    async_engine = AsyncEngine(own)
    try:
        return await _ask_async(async_engine, work)
    finally:
        await async_engine.dispose()


async def _ask_async(engine: AsyncEngine, work: Callable[[Connection], _T]) -> _T:
    try:
        connection = await engine.connect()
    except SQLAlchemyError as error:
        raise _without_password(explain_error(error), engine.sync_engine) from None
    try:
        return await connection.run_sync(lambda own: _tagged_work(own, work))
    finally:
        await connection.close()


def _tagged_work(connection: Connection, work: Callable[[Connection], _T]) -> _T:
    with tagged(connection):
        return work(connection)
