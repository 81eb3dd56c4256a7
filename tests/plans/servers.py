"""Servers of the machine for what the embedded one cannot show: Debian's PostgreSQL, and MariaDB."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.builders import trace
from perfkit.model.catalog import Column, Table
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.trace import Trace
from tests.plans.case import Recorder

POSTGRESQL_BIN = Path("/usr/lib/postgresql/15/bin")
_MARIADB_ATTEMPTS = "60"


@contextmanager
def debian_postgresql(setup: str) -> Iterator[Connection]:
    """A connection in autocommit to PostgreSQL 15, which can compile statements; the server goes with it."""
    with _folder("postgres") as folder:
        data = folder / "data"
        _run("postgres", POSTGRESQL_BIN / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
        options = f"-c listen_addresses='' -k {folder}"
        _run(
            "postgres",
            POSTGRESQL_BIN / "pg_ctl",
            "-D",
            data,
            "-w",
            "-l",
            folder / "log",
            "-o",
            options,
            "start",
        )
        engine = create_engine(
            f"postgresql+psycopg://postgres@/postgres?host={folder}", isolation_level="AUTOCOMMIT"
        )
        try:
            with engine.connect() as connection:
                connection.execute(text(setup))
                connection.exec_driver_sql("VACUUM ANALYZE")
                yield connection
        finally:
            engine.dispose()
            _run("postgres", POSTGRESQL_BIN / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@contextmanager
def mariadb(setup: str) -> Iterator[Callable[[str], str]]:
    """What sends SQL to a MariaDB without a port, and returns the answer; the server goes with it."""
    with _folder("mysql") as folder:
        data, socket = folder / "data", folder / "socket"
        server = ("--no-defaults", f"--datadir={data}")
        _run(
            "mysql",
            "mariadb-install-db",
            *server,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        process = subprocess.Popen(
            ["mariadbd", *server, "--skip-networking", f"--socket={socket}"],
            user=_user("mysql"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = ("mariadb", "--no-defaults", f"--socket={socket}", "--user=root")

        def send(sql: str) -> str:
            return _run(None, *client, "--skip-column-names", "--raw", "--execute", sql)

        try:
            _run(None, "mariadb-admin", *client[1:], "--wait=" + _MARIADB_ATTEMPTS, "--silent", "ping")
            send(f"CREATE DATABASE shop; USE shop; {setup}")
            yield lambda sql: send(f"USE shop; {sql}")
        finally:
            process.kill()
            process.wait()


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    """A folder of its own for a server, which refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="perfkit-plans-") as name:
        if _user(user) is not None:
            shutil.chown(name, user)
        yield Path(name)


def _user(name: str) -> str | None:
    return name if os.geteuid() == 0 else None


def _run(user: str | None, *command: object) -> str:
    # Into files, not pipes: the server that pg_ctl starts would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        subprocess.run(
            list(map(str, command)), check=True, stdout=output, stderr=output, user=user and _user(user)
        )
        output.seek(0)
        return output.read()


def from_mariadb(setup: str, statement: str) -> Recorder:
    """Have MariaDB analyse a statement on tables of its own."""

    def record(_: Connection) -> Trace:
        with mariadb(setup) as send:
            plan = read_mariadb_plan(send(f"ANALYZE FORMAT=JSON {statement}"), statement)
        return trace(plans=(plan,), duration_ms=plan.duration_ms or 0.0)

    return record


def from_sqlite(setup: str, statement: str) -> Recorder:
    """Send a statement to a SQLite file as a program does, so that its plan knows what the program saw."""

    def record(_: Connection) -> Trace:
        with tempfile.TemporaryDirectory(prefix="perfkit-plans-") as folder:
            engine = create_engine(f"sqlite:///{folder}/shop.db")
            with engine.connect() as connection:
                for command in filter(None, map(str.strip, setup.split(";"))):
                    connection.exec_driver_sql(command)
                connection.commit()
                with pk.measure("block", queries=True, plans=True) as measured:
                    start = perf_counter()
                    connection.exec_driver_sql(statement).all()
                    client_ms = (perf_counter() - start) * 1000
                tables = _sqlite_tables(connection)
            engine.dispose()
        (plan,) = measured.trace.plans or ()
        # SQLite finds the rows while they are fetched: the time of the statement alone ends with the first.
        plan = replace(plan, tables=plan.tables or tables, client_time_ms=client_ms)
        return replace(measured.trace, plans=(plan,), duration_ms=client_ms)

    return record


def _sqlite_tables(connection: Connection) -> tuple[Table, ...]:
    """The tables with their rows, columns and indexes."""
    found = inspect(connection)
    return tuple(
        Table(
            name=name,
            rows=float(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one()),
            size_bytes=0,
            kind="r",
            is_partition=False,
            columns=tuple(Column(item["name"], str(item["type"])) for item in found.get_columns(name)),
            indexes=(),
            relation_name=name,
        )
        for name in found.get_table_names()
    )
