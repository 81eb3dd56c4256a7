"""A dump of the database, and of the session, is the same before and after every way to ask for plans."""

import re
import subprocess

import pytest
from sqlalchemy import create_engine

from perfkit.capture.plans import ExplainError, explain, explain_samples, explain_script
from perfkit.capture.samples import StatementSample

# Small, as it is dumped after each test.
SETUP = """
CREATE TABLE orders AS SELECT i AS id, i % 100 AS amount FROM generate_series(1, 2000) i;
CREATE TABLE watched (id int PRIMARY KEY, value int);
INSERT INTO watched SELECT i, i FROM generate_series(1, 10) i;
CREATE SEQUENCE tickets;
"""
SESSION = {
    "settings": "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings",
    "prepared": "SELECT string_agg(name || statement, ',' ORDER BY name) FROM pg_prepared_statements",
    "cursors": "SELECT string_agg(name, ',') FROM pg_cursors",
    "advisory locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "channels": "SELECT string_agg(c, ',') FROM pg_listening_channels() c",
    "temporary tables": "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()",
    "currval": "SELECT lastval()",
}


def dumped(server):
    """Everything that pg_dump knows, positions of sequences and all."""
    done = subprocess.run(
        [str(server.binaries / "pg_dump"), "-h", str(server.folder), "-U", "postgres", "small"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    # Newer versions protect the script by a random word.
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def small(wheel_cluster_18):
    """A database, and its dump."""
    admin = create_engine(wheel_cluster_18.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE small")
    admin.dispose()
    url = admin.url.set(database="small")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(SETUP, execution_options={"no_parameters": True})
    engine.dispose()
    return url, dumped(wheel_cluster_18)


def session_of(connection):
    return {name: connection.exec_driver_sql(query).scalar() for name, query in SESSION.items()}


@pytest.fixture
def engine(small, wheel_cluster_18):
    """One connection, so that the session of the person is the one that is asked."""
    url, before = small
    limit = {"options": "-c statement_timeout=20s"}
    engine = create_engine(url, pool_size=1, max_overflow=0, connect_args=limit)
    yield engine
    engine.dispose()
    assert dumped(wheel_cluster_18) == before


@pytest.fixture
def session(engine):
    """A session with something of each kind in it, on the only connection of the pool."""
    with engine.connect() as connection:
        for statement in (
            "SET work_mem = '5MB'",
            "SET default_statistics_target = 77",
            "PREPARE mine AS SELECT 1",
            "LISTEN news",
            "CREATE TEMPORARY TABLE own (id serial, value int)",
            "INSERT INTO own (value) VALUES (1)",
            "SELECT pg_try_advisory_lock(77)",
            "DECLARE held CURSOR WITH HOLD FOR SELECT * FROM orders",
        ):
            connection.exec_driver_sql(statement)
        connection.commit()
        for _ in range(9):
            connection.exec_driver_sql("SELECT * FROM watched WHERE id = %s", (3,)).all()
        connection.commit()
        before = session_of(connection)
        assert "_pg3_" in before["prepared"]
        connection.commit()
    yield
    with engine.connect() as connection:
        after = session_of(connection)
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        connection.commit()
    assert after == before


def quietly(connectable, statement, **options):
    try:
        explain(connectable, statement, **options)
    except ExplainError:
        pass


WAYS = {
    "a read": "SELECT count(*) FROM orders WHERE amount < 70",
    "its own table": "SELECT * FROM own",
    "a write": "UPDATE watched SET value = 0",
    "a created table": "CREATE TABLE fresh AS SELECT * FROM watched",
    "a named cursor": "DECLARE other CURSOR WITH HOLD FOR SELECT * FROM watched",
    "a moved sequence": "SELECT nextval('tickets')",
    "a lock": "SELECT pg_advisory_lock(5)",
    "a setting": "SELECT set_config('work_mem', '1MB', false)",
    "a message": "SELECT pg_notify('news', 'x')",
    "a prepared statement": "EXECUTE mine",
    "a mistake": "SELECT nosuch FROM orders",
    "an error while it runs": "SELECT 1 / (id - 3) FROM orders",
    "a refused word": "VACUUM orders",
    "two statements": "SELECT 1; DROP TABLE orders",
    "a timeout": "SELECT pg_sleep(30)",
}


@pytest.mark.parametrize("statement", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("analyze", [True, False])
def test_by_the_engine(engine, session, statement, analyze):
    quietly(engine, statement, analyze=analyze, timeout_ms=100)


@pytest.mark.parametrize("statement", WAYS.values(), ids=WAYS)
def test_in_an_open_transaction(engine, session, statement):
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE own SET value = -1")
        quietly(connection, statement, timeout_ms=100)
        assert connection.in_transaction()
        assert connection.exec_driver_sql("SELECT value FROM own").scalar() == -1
        connection.commit()


@pytest.mark.parametrize("statement", WAYS.values(), ids=WAYS)
def test_in_autocommit(engine, session, statement):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        quietly(connection, statement, timeout_ms=100)


# Those that move a sequence do so, and say it.
WRITES = {name: statement for name, statement in WAYS.items() if "sequence" not in name and name != "a write"}


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_with_writes_executed(engine, session, statement):
    quietly(engine, statement, analyze_writes=True, timeout_ms=100)


def test_by_a_script(engine, session):
    explain_script(engine, ";".join(WAYS.values()), {}, timeout_ms=100)


def test_by_samples(engine, session):
    statements = [*WAYS.values(), "SELECT * FROM watched WHERE id = %s"]
    samples = [
        StatementSample(
            statement,
            statement,
            (3,) if "%s" in statement else (),
            engine,
            executions=9,
            in_cursor=number % 2 == 0,
        )
        for number, statement in enumerate(statements)
        if "pg_sleep" not in statement
    ]
    plans, notes = explain_samples(samples)
    assert len(plans) + len(notes) == len(samples)
