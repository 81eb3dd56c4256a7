"""The user's own server instead of the embedded one: nothing is made there without being asked for."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from perfkit.lab.errors import LabError
from perfkit.lab.loading import load, vacuum
from perfkit.lab.progress import Reporter, reporter
from perfkit.lab.settings import Scale, load_settings

_DRIVER = "postgresql+psycopg"
_CONNECT_S = 10
VARIABLE = "PERFKIT_DATABASE_URL"


def external_url(url: str | None) -> URL | None:
    """Return the address of the user's own server, from the argument or `PERFKIT_DATABASE_URL`, or None.

    Raises:
        LabError: it is no URL of a PostgreSQL database; the message does not repeat it.
    """
    given = url or os.environ.get(VARIABLE, "").strip()
    if not given:
        return None
    try:
        parsed = make_url(given)
    except (ArgumentError, ValueError):
        raise LabError(
            f"{VARIABLE} (or url=) is not a URL: use postgresql://user@host:port/database"
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise LabError(
            f"The sample shop needs PostgreSQL, and {VARIABLE} (or url=) names {parsed.get_backend_name()}."
        )
    if not parsed.database:
        raise LabError(f"{VARIABLE} (or url=) names no database: use postgresql://user@host:port/database")
    return parsed.set(drivername=_DRIVER)


def label(url: URL) -> str:
    """Return the server and database in words, without user, password or options."""
    return f"{url.database} on {url.host or url.query.get('host') or 'the local socket'}"


@contextmanager
def connect(url: URL) -> "Iterator[psycopg.Connection[Any]]":
    """Open a connection in autocommit mode.

    Raises:
        LabError: it cannot be reached, or the server refused; without the password.
    """
    address = url.translate_connect_args(username="user", database="dbname")
    parameters: dict[str, Any] = {"connect_timeout": _CONNECT_S, **address, **url.query}
    try:
        connection = psycopg.connect(**parameters, autocommit=True)
    except psycopg.Error as error:
        raise LabError(f"Cannot connect to {label(url)}: {reason(error, url)}") from None
    try:
        with connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise LabError(f"Not allowed on {label(url)}: {reason(error, url)}") from None
    except psycopg.Error as error:
        raise LabError(f"{label(url)} refused: {reason(error, url)}") from None


def reason(error: Exception, url: URL) -> str:
    """Return the last line of a database's message, without the password."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    text = lines[-1].strip()
    return text.replace(url.password, "***") if url.password else text


def shop_sizes(url: URL) -> dict[str, int] | None:
    """Return the rows by table of the shop in that database, or None when perfkit has not built one there."""
    with connect(url) as connection:
        row = connection.execute("SELECT obj_description(to_regclass('users'), 'pg_class')").fetchone()
    text = row[0] if row else None
    if not text or not text.startswith('{"perfkit"'):
        return None
    rows: dict[str, int] = json.loads(text)["rows"]
    return rows


def require_shop(url: URL) -> dict[str, int]:
    """Return the rows by table of the shop in that database.

    Raises:
        LabError: there is none.
    """
    sizes = shop_sizes(url)
    if sizes is None:
        raise LabError(
            f"There is no sample shop in {label(url)}. To create its tables there: perfkit data build --yes"
        )
    return sizes


def build_shop(
    url: URL, scale: Scale, *, create: bool, again: bool, progress: Reporter | None = None
) -> None:
    """Create and fill the shop's tables in the user's database; tables that are not ours are never touched.

    Args:
        url: of the database.
        scale: of the data.
        create: that the user has agreed.
        again: replace a shop that perfkit built there before.
        progress: told of the rows.

    Raises:
        LabError: not agreed, or tables of the same names are there.
    """
    settings = load_settings()
    ours = shop_sizes(url)
    if ours is not None and not again:
        return
    if not create:
        raise LabError(
            f"This would create the tables {', '.join(settings.rows)} in {label(url)}. "
            "If that is what you want: perfkit data build --yes, or build(create=True)."
        )
    sizes = settings.sizes(scale.factor)
    about = json.dumps({"perfkit": settings.fingerprint, "scale": scale.name, "rows": sizes})
    with connect(url) as connection, progress or reporter() as told:
        told.begin(f"Sample data ({scale.name})", sum(sizes.values()))
        with connection.transaction():
            if ours is not None:
                connection.execute("DROP TABLE " + ", ".join(settings.rows))
            _refuse_foreign_tables(connection, url)
            load(connection, settings, scale.factor, told)
            connection.execute(sql.SQL("COMMENT ON TABLE users IS {}").format(about))
        vacuum(connection, settings)


def _refuse_foreign_tables(connection: "psycopg.Connection[Any]", url: URL) -> None:
    for table in load_settings().rows:
        row = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
        if row and row[0]:
            raise LabError(
                f"{label(url)} has a table {table} that perfkit did not make. Use an empty database."
            )
