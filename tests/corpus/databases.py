"""A fresh database for each run of a program, and what the program takes as its arguments."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, configure_mappers

from tests.corpus.models import fill
from tests.plan_server import start_server

# A child process uses the server that its parent started.
SERVER = "PERFKIT_CORPUS_SERVER"
_FUNCTIONS = """
CREATE FUNCTION yearly_report(ms int) RETURNS int LANGUAGE plpgsql AS $$
    DECLARE began timestamptz := clock_timestamp();
    BEGIN
        WHILE clock_timestamp() < began + ms * interval '1 ms' LOOP END LOOP;
        RETURN 42;
    END$$;
CREATE SEQUENCE invoice_numbers;
"""


class Databases:
    """Makes databases; close it when all programs have run."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder = Path(
            tempfile.mkdtemp(prefix="pkcorpus", dir="/tmp" if Path("/tmp").is_dir() else None)
        )
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._template = self._folder / "template.db"
        self._server: str | None = None
        # Otherwise the first program would pay for it, with its connection in hand.
        configure_mappers()
        engine = create_engine(f"sqlite:///{self._template}")
        with engine.begin() as connection:
            fill(connection)
        engine.dispose()

    def close(self) -> None:
        """Stop the server, delete the files."""
        self._stack.close()

    def sqlite(self) -> Path:
        """A file of its own."""
        path = self._folder / "program.db"
        for leftover in self._folder.glob("program.db*"):
            leftover.unlink()
        shutil.copyfile(self._template, path)
        return path

    def postgresql(self) -> str:
        """The server's address, `events` emptied: that is the only table to which programs write there."""
        if self._server is None:
            self._server = os.environ.get(SERVER) or self._start()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute("TRUNCATE events RESTART IDENTITY")
        return self._server

    def _start(self) -> str:
        server = start_server(str(self._folder / "server"))
        self._stack.callback(server.cleanup)
        address: str = server.get_uri()
        engine = create_engine(_sqlalchemy_url(address, "psycopg"))
        with engine.begin() as connection:
            fill(connection)
            connection.exec_driver_sql(_FUNCTIONS)
        engine.dispose()
        return address

    def url(self, on: str, *, is_async: bool) -> str:
        """SQLAlchemy's address of a fresh database."""
        if on == "postgresql":
            return _sqlalchemy_url(self.postgresql(), "psycopg")
        return f"sqlite{'+aiosqlite' if is_async else ''}:///{self.sqlite()}"


def _sqlalchemy_url(address: str, driver: str) -> str:
    return address.replace("postgresql://", f"postgresql+{driver}://")


@contextmanager
def sync_arguments(names: tuple[str, ...], url: str, oracle: Any) -> Iterator[dict[str, Any]]:
    """What a program takes, by the names of its parameters: open, and used once, before it is watched."""
    with ExitStack() as stack:

        def make_engine(**options: Any) -> Any:
            engine = create_engine(url, **options)
            engine.connect().close()  # SQLAlchemy asks a database some things when it first meets it
            stack.callback(engine.dispose)
            return engine

        makers: dict[str, Any] = {
            "path": lambda: _path(url),
            "make_engine": lambda: make_engine,
            "engine": make_engine,
            "session": lambda: stack.enter_context(Session(make_engine())),
            "connection": lambda: stack.enter_context(make_engine().connect()),
            "pg": lambda: stack.enter_context(_watched(psycopg.connect(_address(url)), oracle)),
            "lite": lambda: stack.enter_context(_watched(sqlite3.connect(_path(url)), oracle)),
        }
        yield {name: makers[name]() for name in names}


@asynccontextmanager
async def async_arguments(names: tuple[str, ...], url: str, oracle: Any) -> AsyncIterator[dict[str, Any]]:
    """The same for coroutines."""
    async with AsyncExitStack() as stack:

        async def engine(**options: Any) -> Any:
            made = create_async_engine(url, **options)
            async with made.connect():
                pass
            stack.push_async_callback(made.dispose)
            return made

        async def session() -> Any:
            return await stack.enter_async_context(AsyncSession(await engine(), expire_on_commit=False))

        async def apg() -> Any:
            opened = await psycopg.AsyncConnection.connect(_address(url))
            oracle.attend(opened)
            return await stack.enter_async_context(opened)

        async def sync_engine() -> Any:
            made = create_engine(url.replace("+aiosqlite", ""))
            made.connect().close()
            stack.callback(made.dispose)
            return made

        async def asyncpg_connection() -> Any:
            import asyncpg

            host = url.partition("host=")[2]
            opened = await asyncpg.connect(host=host, user="postgres", database="postgres")
            stack.push_async_callback(opened.close)
            oracle.attend(opened)
            return opened

        makers = {
            "asyncpg": asyncpg_connection,
            "async_engine": engine,
            "engine": sync_engine,
            "async_session": session,
            "apg": apg,
        }
        yield {name: await makers[name]() for name in names}


@contextmanager
def _watched(connection: Any, oracle: Any) -> Iterator[Any]:
    oracle.attend(connection)
    try:
        yield connection
    finally:
        connection.close()


def _address(url: str) -> str:
    return url.replace("+psycopg", "")


def _path(url: str) -> str:
    return url.partition(":///")[2]
