"""A throwaway database beside the person's own: its schema without data, told the sizes of another one.

`CREATE DATABASE … TEMPLATE` would copy the data too, and PostgreSQL refuses it while anybody, such as the
notebook itself, is connected. The planner needs the schema, the statistics and the lengths of the files.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from perfkit.proof import _production_files as files
from perfkit.proof import _production_programs as programs

_LOCALE = """
SELECT pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider::text, datlocale,
       current_setting('data_directory'), (SELECT system_identifier FROM pg_catalog.pg_control_system())
FROM pg_catalog.pg_database WHERE datname = current_database()
"""
_PROVIDERS = {"c": ("libc", None), "i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}
_NOT_ALLOWED = "42501"
_KEPT = frozenset({"host", "hostaddr", "port", "user", "password", "passfile", "dbname", "options"})


class CloneError(RuntimeError):
    """There is no clone; the message says why."""


@dataclass(frozen=True, slots=True)
class Clone:
    """A database without data. `missing` counts statements of the schema that failed in it."""

    name: str
    engine: Engine
    data: Path
    missing: int = 0
    statistics: str = field(default="", repr=False)


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """Read, and end the transaction only where it was begun for that."""
    began_here = not connection.in_transaction()
    try:
        yield
    finally:
        if began_here:
            connection.rollback()


@contextmanager
def throwaway_clone(connection: Connection, major: int) -> Iterator[Clone]:
    """Make a database with the schema of this one, and drop it whatever happens.

    Args:
        connection: to the person's database, which is only read.
        major: the version of the server.

    Raises:
        CloneError: if the person may not create databases, the files are out of reach, or `pg_dump` fails.
    """
    parameters = _parameters(connection)
    try:
        with reading(connection):
            row = connection.exec_driver_sql(_LOCALE).one()
        data = files.check_reach(row[5], row[6])
        schema = programs.dump(parameters, "--schema-only", major)
        statistics = programs.dump(parameters, "--statistics-only", major)
    except (files.FilesError, programs.ProgramError) as error:
        raise CloneError(str(error)) from None
    except DBAPIError as error:
        raise _reason(error) from None
    name = f"perfkit_size_{secrets.token_hex(4)}"
    own = {**parameters, "dbname": name}
    # The mark by which perfkit's collectors look aside is an option of the connection.
    options = {key: value for key, value in connection.get_execution_options().items() if "perfkit" in key}
    try:
        with _created(_engine(parameters, options), name, _create(name, *row[:5])):
            missing = programs.restore(own, schema, major)
            yield Clone(name, _engine(own, options), data, missing, statistics)
    except programs.ProgramError as error:
        raise CloneError(str(error)) from None
    except DBAPIError as error:
        raise _reason(error) from None


def _reason(error: DBAPIError) -> Exception:
    if _NOT_ALLOWED in (getattr(error.orig, "sqlstate", None), getattr(error.orig, "pgcode", None)):
        return CloneError(
            "This user may not create databases or not ask where the server's files are, so there is no "
            "throwaway clone."
        )
    return error


def _engine(parameters: Mapping[str, str], options: Mapping[str, Any]) -> Engine:
    address = make_conninfo(**parameters)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(address), poolclass=NullPool
    )
    return engine.execution_options(**options)


@contextmanager
def _created(engine: Engine, name: str, create: str) -> Iterator[None]:
    """On a connection of its own: a database is made and dropped outside of transactions."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as admin:
        try:
            admin.exec_driver_sql(create)
            yield
        finally:
            admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _create(name: str, encoding: str, collate: str, ctype: str, provider: str, own_locale: str | None) -> str:
    """With the encoding and the order of texts of the person's database: plans depend on them."""
    kind, option = _PROVIDERS[provider]
    text = f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER {kind} ENCODING {_text(encoding)}"
    text += f" LC_COLLATE {_text(collate)} LC_CTYPE {_text(ctype)}"
    return f"{text} {option} {_text(own_locale or '')}" if option else text


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _parameters(connection: Connection) -> dict[str, str]:
    """What the open connection was made with, as libpq names it."""
    info: Any = getattr(connection.connection.dbapi_connection, "info", None)
    if hasattr(info, "get_parameters"):
        found = {**info.get_parameters(), "password": info.password}
    elif hasattr(info, "dsn_parameters"):
        found = {**info.dsn_parameters, "password": info.password}
    else:
        raise CloneError("The driver does not tell how it is connected; use psycopg.")
    wanted = {name: str(value) for name, value in found.items() if value and _is_kept(name)}
    return {**wanted, "dbname": str(info.dbname), "user": str(info.user)}


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith("ssl")
