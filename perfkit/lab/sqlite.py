"""The same shop in SQLite, as the second database: a cached file, equal to the byte wherever it is built."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine
from sqlalchemy.pool import ConnectionPoolEntry

from perfkit.lab.failures import clear_errors
from perfkit.lab.generator import Fixed, Pooled, TableData, tables
from perfkit.lab.guard import FileLock
from perfkit.lab.paths import home
from perfkit.lab.progress import Reporter, reporter, waiting_for
from perfkit.lab.settings import Scale, Settings, load_settings, parse_scale, statements

_TYPES = {
    "bigint": "INTEGER",
    "timestamptz": "TIMESTAMP",
    "bytea": "BLOB",
    "real": "REAL",
    "smallint": "INTEGER",
}
_CHUNK_ROWS = 50_000
_FOREIGN_KEY = re.compile(r"ALTER TABLE (\w+) ADD (FOREIGN KEY \(\w+\) REFERENCES \w+ \(\w+\))")


def schema_for_sqlite(schema: str) -> tuple[list[str], list[str]]:
    """Translate `schema.sql` to (tables with their keys, indexes): SQLite cannot add keys later."""
    parts = statements(schema)
    keys: dict[str, list[str]] = {}
    for part in parts:
        if found := _FOREIGN_KEY.match(part):
            keys.setdefault(found[1], []).append(found[2])
    created = []
    for part in (part for part in parts if part.startswith("CREATE TABLE")):
        table = part.split()[2]
        text = re.sub(r"\b(" + "|".join(_TYPES) + r")\b", lambda word: _TYPES[word[0]], part)
        text = text.replace("id INTEGER NOT NULL", "id INTEGER NOT NULL PRIMARY KEY", 1)
        extra = "".join(f",\n    {key}" for key in keys.get(table, []))
        created.append(text.removesuffix("\n)") + extra + "\n)")
    return created, [part for part in parts if part.startswith(("CREATE INDEX", "CREATE UNIQUE"))]


def sqlite_file(scale: str | float | None = "small", progress: Reporter | None = None) -> Path:
    """Return the file of the SQLite shop at a scale, built first if need be.

    Raises:
        LabError: no such scale, no space, or a folder that cannot be written.
    """
    size, settings = parse_scale(scale), load_settings()
    with clear_errors():
        folder = home() / "sqlite"
        folder.mkdir(exist_ok=True)
        path = folder / f"shop-{size.name}-{settings.fingerprint}.sqlite"
        with waiting_for(
            FileLock(folder / "build.lock"), "Another perfkit process is building the SQLite shop"
        ):
            if not path.exists():
                for old in folder.glob(f"shop-{size.name}-*"):
                    old.unlink()
                _build(path, settings, size, progress or reporter())
    return path


def _build(path: Path, settings: Settings, scale: Scale, progress: Reporter) -> None:
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    created, indexes = schema_for_sqlite(settings.schema)
    connection = sqlite3.connect(scratch, isolation_level=None)
    try:
        with progress:
            progress.begin(f"SQLite shop ({scale.name})", sum(settings.sizes(scale.factor).values()))
            # Until the file gets its name nobody needs it to survive a crash.
            for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "BEGIN", *created):
                connection.execute(statement)
            for data in tables(settings, scale.factor):
                _insert(connection, data, progress)
            for statement in (*indexes, "ANALYZE", "COMMIT"):
                progress.advance("indexes", 0)
                connection.execute(statement)
    finally:
        connection.close()
    scratch.replace(path)


def _insert(connection: sqlite3.Connection, data: TableData, progress: Reporter) -> None:
    columns = [column.name for column in data.fixed] + [column.name for column in data.pooled]
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    command = f"INSERT INTO {data.name} ({names}) VALUES ({marks})"  # noqa: S608 - names are the generator's own
    for start in range(0, data.rows, _CHUNK_ROWS):
        rows = list(zip(*_columns(data, start, start + _CHUNK_ROWS), strict=True))
        connection.executemany(command, rows)
        progress.advance(data.name, len(rows))


def _columns(data: TableData, start: int, stop: int) -> Iterator[list[Any]]:
    for column in data.fixed:
        yield _plain(column, start, stop)
    for pooled in data.pooled:
        yield _looked_up(pooled, start, stop)


def _plain(column: Fixed, start: int, stop: int) -> list[Any]:
    part = column.values[start:stop]
    if column.kind == "timestamptz":
        # The form in which SQLAlchemy stores a datetime in SQLite.
        return [
            text.replace("T", " ") + ".000000" for text in np.datetime_as_string(part.astype("datetime64[s]"))
        ]
    if column.kind == "real":
        part = part.astype(np.float32).astype(np.float64)
    return list(part.tolist())


def _looked_up(column: Pooled, start: int, stop: int) -> list[Any]:
    pool: list[str] | list[bytes] = [text.decode() for text in column.pool] if column.is_text else column.pool
    return [pool[i] for i in column.index[start:stop].tolist()]


def open_sqlite(scale: str | float | None = "small") -> Engine:
    """Open the SQLite copy of the shop, shared by all notebooks; it is built the first time.

    Args:
        scale: as in `open_shop`; `small` (0.9 million rows) unless told.

    Returns:
        A SQLAlchemy engine. Foreign keys are enforced, as on PostgreSQL.

    Raises:
        LabError: with what is wrong and what to do.
    """
    engine = create_engine(URL.create("sqlite", database=str(sqlite_file(scale))))
    event.listen(engine, "connect", _enforce_foreign_keys)
    return engine


def _enforce_foreign_keys(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA foreign_keys = ON").close()
