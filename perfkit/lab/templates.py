"""Templates and clones: the shop is built once a scale, then copied as files for each notebook.

A database gets its name only when it is whole: it is made under another name and renamed, which PostgreSQL
does in one step. What it holds is written in its comment, so that with other settings it is built anew.
"""

import json
import shutil
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from perfkit.lab.errors import LabError
from perfkit.lab.guard import FileLock
from perfkit.lab.loading import load, vacuum
from perfkit.lab.progress import Reporter, reporter, waiting_for
from perfkit.lab.server import Server
from perfkit.lab.settings import Scale, load_settings

_TEMPLATE = "perfkit_template_"
_UNFINISHED = "perfkit_unfinished_"
# Measured: 770 MB at full. A build is asked for twice that, since every use of a template is a clone of it.
BYTES_PER_FACTOR = 770_000_000
_EMPTY_DATABASE_BYTES = 10_000_000


def _execute(connection: "psycopg.Connection[Any]", statement: LiteralString, **names: str) -> None:
    quoted = {key: sql.Identifier(name) for key, name in names.items()}
    connection.execute(sql.SQL(statement).format(**quoted))


def comments(connection: "psycopg.Connection[Any]") -> dict[str, dict[str, Any]]:
    """Return what perfkit wrote about its databases (templates and clones), by their names."""
    rows = connection.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname <> 'template0'"
    ).fetchall()
    found = {}
    for name, text in rows:
        if text and text.startswith('{"perfkit"'):
            found[name] = json.loads(text)
    return found


def _comment(connection: "psycopg.Connection[Any]", database: str, about: dict[str, Any]) -> None:
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
    connection.execute(statement.format(sql.Identifier(database), sql.Literal(json.dumps(about))))


def _about(scale: Scale) -> dict[str, Any]:
    return {"perfkit": load_settings().fingerprint, "scale": scale.name, "factor": scale.factor}


def is_of(about: dict[str, Any] | None, scale: Scale) -> bool:
    """Say whether a database's comment means this scale and today's settings."""
    return about is not None and about == about | _about(scale)


def ensure_template(server: Server, scale: Scale, progress: Reporter | None = None) -> str:
    """Return the name of the template of a scale, built first if need be.

    Raises:
        LabError: no space, or the server failed.
    """
    name = _TEMPLATE + scale.name
    with server.connect() as connection:
        if is_of(comments(connection).get(name), scale):
            return name
        with waiting_for(
            FileLock(server.folder / "build.lock"), "Another perfkit process is building the sample data"
        ):
            if not is_of(comments(connection).get(name), scale):
                _build(server, connection, scale, progress or reporter())
    return name


def template_rows(server: Server, scale: Scale, progress: Reporter | None = None) -> dict[str, int]:
    """Return the rows by table of the template of a scale, built first if need be.

    Raises:
        LabError: no space, or the server failed.
    """
    name = ensure_template(server, scale, progress)
    with server.connect() as connection:
        rows: dict[str, int] = comments(connection)[name]["rows"]
    return rows


def _build(server: Server, connection: "psycopg.Connection[Any]", scale: Scale, progress: Reporter) -> None:
    settings, name, building = load_settings(), _TEMPLATE + scale.name, _UNFINISHED + scale.name
    _drop_unfinished(connection)
    require_space(server.folder, int(2 * scale.factor * BYTES_PER_FACTOR))
    # WAL_LOG copies the 7 MB of template0 without the two checkpoints of FILE_COPY.
    _execute(connection, "CREATE DATABASE {name} TEMPLATE template0 STRATEGY wal_log", name=building)
    sizes = settings.sizes(scale.factor)
    try:
        with progress, server.connect(building) as filling:
            progress.begin(f"Sample data ({scale.name})", sum(sizes.values()))
            load(filling, settings, scale.factor, progress)
            progress.advance("statistics", 0)
            vacuum(filling, settings)
        # Now, not within the first clone, which has to write out all changed pages before it copies files.
        connection.execute("CHECKPOINT")
    except BaseException:
        _drop_quietly(server, building)
        raise
    _comment(connection, building, _about(scale) | {"rows": sizes})
    _drop(connection, name)
    _execute(connection, "ALTER DATABASE {old} RENAME TO {new}", old=building, new=name)
    # Any connection to a template keeps it from being copied.
    _execute(connection, "ALTER DATABASE {name} ALLOW_CONNECTIONS false", name=name)


def _drop(connection: "psycopg.Connection[Any]", name: str) -> None:
    _execute(connection, "DROP DATABASE IF EXISTS {name} WITH (FORCE)", name=name)


def _drop_unfinished(connection: "psycopg.Connection[Any]") -> None:
    """Drop what an interrupted process left; the caller holds the build lock, so nobody works on it."""
    rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_UNFINISHED])
    for (name,) in rows.fetchall():
        _drop(connection, name)


def _drop_quietly(server: Server, name: str) -> None:
    try:
        with server.connect() as connection:
            _drop(connection, name)
    except psycopg.Error:
        pass  # the first error is the one to show; the next build drops it


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise unless the disk of the data folder has so much space free.

    Raises:
        LabError: it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _EMPTY_DATABASE_BYTES:
        raise LabError(
            f"The sample data needs {needed_bytes / 1e9:.1f} GB in {folder} ({free / 1e9:.1f} GB are free). "
            "Free some space, choose a smaller PERFKIT_SCALE, or set PERFKIT_HOME to another disk."
        )


def clone(
    server: Server, scale: Scale, database: str, *, fresh: bool, progress: Reporter | None = None
) -> bool:
    """Make the database a clone of the template of a scale, unless it is one already.

    Args:
        server: running.
        scale: which template.
        database: name of the clone.
        fresh: replace an existing clone too; its connections are closed.
        progress: told of the building of the template.

    Returns:
        Whether the clone was made now.

    Raises:
        LabError: no space, or the server failed.
    """
    template = ensure_template(server, scale, progress)
    with (
        waiting_for(FileLock(server.folder / "build.lock"), "Another perfkit process is copying sample data"),
        server.connect() as connection,
    ):
        about = comments(connection)
        if not fresh and is_of(about.get(database), scale):
            return False
        _refuse_foreign(connection, database, about)
        _drop_unfinished(connection)
        _drop(connection, database)
        require_space(server.folder, int(scale.factor * BYTES_PER_FACTOR))
        unfinished = _UNFINISHED + "clone"
        _copy(connection, template, unfinished)
        _comment(connection, unfinished, about[template])
        _execute(connection, "ALTER DATABASE {old} RENAME TO {new}", old=unfinished, new=database)
    return True


def _refuse_foreign(connection: "psycopg.Connection[Any]", database: str, about: dict[str, Any]) -> None:
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
    if exists and database not in about:
        raise LabError(
            f"The database {database} was not made by perfkit and is left alone: use another name."
        )


def _copy(connection: "psycopg.Connection[Any]", template: str, database: str) -> None:
    """Copy the files; where the file system can, by sharing their blocks (copy on write)."""
    for method in ("clone", "copy"):
        try:
            connection.execute(sql.SQL("SET file_copy_method = {}").format(sql.Literal(method)))
            _execute(
                connection,
                "CREATE DATABASE {new} TEMPLATE {old} STRATEGY file_copy",
                new=database,
                old=template,
            )
        except (
            psycopg.errors.InvalidParameterValue,
            psycopg.errors.FeatureNotSupported,
            psycopg.errors.IoError,
        ):
            if method == "copy":
                raise
        else:
            return


def databases(server: Server) -> list[dict[str, Any]]:
    """Return name, kind (`template` or `clone`), scale, rows and size in bytes of the lab's databases."""
    with server.connect() as connection:
        found = []
        for name, about in comments(connection).items():
            row = connection.execute("SELECT pg_database_size(%s)", [name]).fetchone()
            assert row is not None
            kind = "template" if name.startswith(_TEMPLATE) else "clone"
            rows = sum(about.get("rows", {}).values())
            found.append(
                {"name": name, "kind": kind, "scale": about["scale"], "rows": rows, "size_bytes": row[0]}
            )
    return sorted(found, key=lambda item: (item["kind"], item["name"]))
