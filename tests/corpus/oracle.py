"""What the databases' own libraries say was executed: SQLite's trace callback and libpq's trace.

It knows nothing of perfkit's hooks and is never attached in the same run as they are. asyncpg does not use
libpq: there it is asyncpg's own query logger, which perfkit does not use.
"""

import functools
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool

# What frames statements is counted by perfkit as round trips, not as statements; reading on from a named
# cursor, or closing it, belongs to the statement that declared it; psycopg itself deallocates.
_FRAMING = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK(?!\s+TO)|FETCH|CLOSE|DEALLOCATE|;|$)", re.IGNORECASE)
_MESSAGE = re.compile(r"^F\t\d+\t(Query|Parse|Bind|Execute)\t?(.*)$", re.DOTALL)
_QUOTED = re.compile(r' ?"(.*?)"(?= |$)', re.DOTALL)


def is_framing(statement: str) -> bool:
    """Whether perfkit counts this as a round trip, and not as a statement."""
    return _FRAMING.match(statement) is not None


class Oracle:
    """Listens to every connection that SQLAlchemy opens, and to those it is given."""

    def __init__(self) -> None:
        self._is_armed = False
        self._sqlite: list[str] = []
        self._files: list[tuple[Any, int]] = []
        self._sent: list[str] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Listen to SQLAlchemy's new connections."""
        event.listen(Pool, "checkout", self._lent)
        open_sqlite = sqlite3.connect
        sqlite3.connect = functools.partial(self._open_sqlite, open_sqlite)
        try:
            yield
        finally:
            sqlite3.connect = open_sqlite
            event.remove(Pool, "checkout", self._lent)
            for file, _ in self._files:
                file.close()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what is executed in this block."""
        self._files = [(file, file.seek(0, 2)) for file, _ in self._files]
        self._is_armed = True
        try:
            yield
        finally:
            self._is_armed = False
            self._sent += self._sqlite
            for file, start in self._files:
                file.seek(start)
                self._sent += _libpq_statements(file.read().decode())

    def attend(self, connection: Any) -> None:
        """Listen to a driver's connection."""
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self._traced)
        elif hasattr(connection, "add_query_logger"):
            connection.add_query_logger(lambda query: self._traced(query.query))
        elif hasattr(connection, "pgconn"):
            file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the oracle goes
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(1)  # without times
            self._files.append((file, 0))

    @property
    def executions(self) -> tuple[str, ...]:
        """The statements that the databases executed, in no order across connections."""
        return tuple(text for text in self._sent if not is_framing(text))

    def _lent(self, connection: Any, record: Any, proxy: Any) -> None:
        # What SQLAlchemy asks a new connection for its own ends comes before its first loan.
        if record.info.get("oracle") is self:
            return
        record.info["oracle"] = self
        if hasattr(connection, "run_async"):
            if "aiosqlite" in type(connection).__module__:
                connection.run_async(lambda driver: driver.set_trace_callback(self._traced))
            else:
                self.attend(connection.driver_connection)
        else:
            self.attend(connection)

    def _open_sqlite(self, original: Any, *args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(*args, **options)
        if self._is_armed and "aiosqlite" not in sys._getframe(1).f_globals["__name__"]:
            connection.set_trace_callback(self._traced)
        return connection

    def _traced(self, statement: str) -> None:
        if self._is_armed:
            self._sqlite.append(statement)


def _libpq_statements(trace: str) -> Iterator[str]:
    """What the client asked the server to execute, by the messages of the protocol."""
    parsed: dict[str, str] = {}
    portals: dict[str, str] = {}
    for message in re.split(r"\n(?=[FB]\t)", trace.rstrip("\n")):
        found = _MESSAGE.match(message)
        if not found:
            continue
        words = _QUOTED.findall(found[2])
        match found[1]:
            case "Query":
                yield words[0]
            case "Parse":
                parsed[words[0]] = words[1]
            case "Bind":
                portals[words[0]] = parsed.get(words[1], f"prepared {words[1]}")
            case "Execute":
                yield portals[words[0]]
