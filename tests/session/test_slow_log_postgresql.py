"""The log of slow statements on a real PostgreSQL: rows, time-outs, async engines, passwords."""

import asyncio
import tempfile

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.session import log_slow
from tests.plan_server import server_url


@pytest.fixture(scope="module")
def url():
    # Not in pytest's own folder: as root the server runs as another user, who may not enter it.
    with tempfile.TemporaryDirectory(prefix="perfkit-slow-log-") as folder:
        yield from server_url(f"{folder}/server")


@pytest.fixture
def engine(url):
    engine = create_engine(url)
    yield engine
    engine.dispose()


def test_the_slow_one_of_several_is_logged_with_its_rows(engine, caplog):
    with log_slow(50), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT n, pg_sleep(0.02) FROM generate_series(1, :n) n"), {"n": 3})

    (message,) = [message for message in caplog.messages if "pg_sleep" in message]
    assert "ms, 3 rows: SELECT n, pg_sleep(?) FROM generate_series(?, ?) n | sent from" in message


def test_a_statement_that_timed_out_is_logged_with_its_error(engine, caplog):
    with log_slow(20), engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 20"))
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT pg_sleep(60)"))

    assert "failed with QueryCanceled: SELECT pg_sleep(?) | sent from" in caplog.messages[-1]


def test_no_password_is_logged(engine, caplog):
    with log_slow(0), engine.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE somebody PASSWORD 'hunter2'")
        connection.exec_driver_sql("ALTER ROLE somebody PASSWORD E'hunter\\'2'")

    assert [message.partition(": ")[2].partition(" |")[0] for message in caplog.messages[-2:]] == [
        "CREATE ROLE somebody PASSWORD ?",
        "ALTER ROLE somebody PASSWORD ?",
    ]
    assert "hunter" not in caplog.text


def test_statements_of_an_async_engine_name_line_and_loop(url, caplog):
    async def work():
        engine = create_async_engine(url)
        with log_slow(0):
            async with engine.connect() as connection:
                for number in range(3):
                    await connection.execute(text("SELECT :n"), {"n": number})
        await engine.dispose()

    asyncio.run(work())

    asked = [message for message in caplog.messages if "1 row: SELECT ?" in message]
    assert len(asked) == 3
    assert "loop at test_slow_log_postgresql.py" in asked[-1]
    assert asked[-1].endswith("in work")
