"""The bytes of a result, against the lengths that PostgreSQL itself tells; unknown where nobody can tell."""

import asyncio

import asyncpg
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.queries import QueryCollector
from perfkit.capture.result_size import MIN_ROWS, estimated_bytes

# 100 bytes of text and a null in each row.
WIDE = "SELECT repeat('x', 100) AS wide, NULL AS nothing FROM generate_series(1, {})"


@pytest.fixture
def address(plan_server):
    return plan_server.replace("+psycopg", "")


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log.spans[-1].returned_bytes


async def recorded_async(work):
    collector = QueryCollector()
    collector.start()
    try:
        await work()
    finally:
        log = collector.stop()
    return log.spans[-1].returned_bytes


def test_the_size_of_psycopgs_results_is_known(address):
    with psycopg.connect(address) as connection:
        assert recorded(lambda: connection.execute(WIDE.format(1000))) == 100_000


def test_the_size_of_sqlalchemys_results_by_psycopg_is_known(plan_server):
    engine = create_engine(plan_server)
    with engine.connect() as connection:
        assert recorded(lambda: connection.execute(text(WIDE.format(1000))).all()) == 100_000
    engine.dispose()


@pytest.mark.parametrize(("driver", "expected"), [("psycopg", 100_000), ("asyncpg", None)])
def test_the_size_of_async_results_is_known_where_the_driver_holds_them(plan_server, driver, expected):
    async def main():
        engine = create_async_engine(plan_server.replace("+psycopg", f"+{driver}"))
        async with engine.connect() as connection:
            found = await recorded_async(lambda: connection.execute(text(WIDE.format(1000))))
        await engine.dispose()
        return found

    assert asyncio.run(main()) == expected


def test_the_size_of_asyncpgs_results_is_unknown(plan_server):
    url = make_url(plan_server)

    async def main():
        host = url.query.get("host", url.host)
        connection = await asyncpg.connect(host=host, user=url.username, database=url.database)
        found = await recorded_async(lambda: connection.fetch(WIDE.format(1000)))
        await connection.close()
        return found

    assert asyncio.run(main()) is None


@pytest.mark.parametrize("rows", [0, 1, MIN_ROWS - 1])
def test_small_results_are_not_looked_at(address, rows):
    with psycopg.connect(address) as connection:
        assert recorded(lambda: connection.execute(WIDE.format(rows))) is None


def test_a_named_cursor_has_no_result_to_look_at(address):
    with psycopg.connect(address) as connection, connection.cursor(name="walk") as cursor:
        assert recorded(lambda: cursor.execute(WIDE.format(1000))) is None


def test_rows_that_grow_are_estimated_from_all_over_the_result(address):
    growing = "SELECT repeat('x', n) FROM generate_series(1, 4000) n"
    with psycopg.connect(address) as connection:
        (exact,) = connection.execute(f"SELECT sum(length(r)) FROM ({growing}) AS _(r)").fetchone()
        estimated = recorded(lambda: connection.execute(growing))

    assert estimated == pytest.approx(exact, rel=0.15)


def test_of_very_wide_rows_few_are_copied():
    class Result:
        nfields, ntuples, copied = 1, 1000, 0

        def get_value(self, row, column):
            self.copied += 1
            return bytes(600_000)

    result = Result()

    assert estimated_bytes(result) == 600_000_000
    assert result.copied == 2


def test_sqlite_tells_no_size():
    engine = create_engine("sqlite://")
    many = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 99) SELECT i FROM n"
    with engine.connect() as connection:
        assert recorded(lambda: connection.execute(text(many)).all()) is None
    engine.dispose()
