"""asyncpg's statements, counted against asyncpg's own query logger on a real PostgreSQL."""

import asyncio
import io

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.queries import QueryCollector

OWNERS = (asyncpg.connection.Connection, asyncpg.prepared_stmt.PreparedStatement)


@pytest.fixture(autouse=True)
def _asyncpg_is_as_it_was():
    before = [dict(vars(owner)) for owner in OWNERS]
    yield
    assert [dict(vars(owner)) for owner in OWNERS] == before


@pytest.fixture
def address(plan_server):
    url = make_url(plan_server)
    return {"host": url.query.get("host", url.host), "user": url.username, "database": url.database}


def recorded(address, work):
    """Work on a connection that was opened before the block."""

    async def main():
        connection = await asyncpg.connect(**address)
        collector = QueryCollector()
        collector.start()
        try:
            await work(connection)
        finally:
            log = collector.stop()
        await connection.close()
        return log

    return asyncio.run(main())


def kinds(log):
    return [event.kind for event in log.transactions]


def test_statements_and_transactions_together_are_what_asyncpg_logs(address):
    logged = []

    async def work(connection):
        with connection.query_logger(logged.append):
            for number in range(3):
                await connection.fetch("SELECT id FROM customers WHERE id <= $1", number)
            async with connection.transaction():
                await connection.execute("SELECT 1")
                async with connection.transaction():
                    await connection.fetchval("SELECT $1::int", 4)
            with pytest.raises(asyncpg.UndefinedTableError):
                await connection.fetchrow("SELECT * FROM no_such_table")
            await asyncio.sleep(0)

    log = recorded(address, work)

    assert len(log.spans) + len(log.transactions) == len(logged)
    assert kinds(log) == ["begin", "commit"]
    assert [span.operation_name for span in log.spans] == ["SELECT"] * 4 + [
        "SAVEPOINT",
        "SELECT",
        "RELEASE",
        "SELECT",
    ]
    assert {(span.system_name, span.driver) for span in log.spans} == {("postgresql", "asyncpg")}
    assert log.spans[-1].error_type == "UndefinedTableError"


def test_a_loop_its_line_its_rows_and_its_task_are_found_on_a_connection_from_before(address):
    async def find(connection, number):
        return await connection.fetch("SELECT id FROM customers WHERE id <= $1", number)

    async def work(connection):
        for number in range(3):
            await find(connection, number)

    spans = recorded(address, work).spans

    assert {span.loop_site.source_text for span in spans} == {"for number in range(3):"}
    assert {span.call_site.function_name for span in spans} == {"find"}
    assert [span.returned_rows for span in spans] == [0, 1, 2]
    assert len({span.parameter_fingerprint for span in spans}) == 3
    assert len({span.task_id for span in spans} - {None}) == 1
    assert all(span.duration_ms > 0 for span in spans)


def test_prepared_statements_batches_and_copies_are_counted(address):
    async def work(connection):
        await connection.execute("CREATE TEMPORARY TABLE many (id int)")
        statement = await connection.prepare("INSERT INTO many VALUES ($1)")
        await statement.fetch(1)
        await statement.executemany([(2,), (3,)])
        await connection.executemany("INSERT INTO many VALUES ($1)", ((n,) for n in range(5)))
        await connection.copy_records_to_table("many", records=[(9,), (10,)])
        await connection.copy_from_query("SELECT * FROM many", output=io.BytesIO())
        assert await connection.fetchval("SELECT count(*) FROM many") == 10

    spans = recorded(address, work).spans

    assert [(span.operation_name, span.batch_size, span.returned_rows) for span in spans] == [
        ("CREATE", 1, 0), ("INSERT", 1, 0), ("INSERT", 2, 0), ("INSERT", 5, 0), ("COPY", 1, 2),
        ("COPY", 1, 10), ("SELECT", 1, 1),
    ]  # fmt: skip


def test_a_cursor_is_one_statement_whose_time_is_unknown(address):
    async def work(connection):
        async with connection.transaction():
            async for _ in connection.cursor("SELECT id FROM customers"):
                pass

    log = recorded(address, work)

    assert [span.returned_rows for span in log.spans] == [None]
    assert any("cursors" in note for note in log.notes)


def test_a_pool_is_counted_and_its_upkeep_is_not(address):
    async def work(_):
        async with asyncpg.create_pool(**address, min_size=1, max_size=2) as pool:
            for number in range(3):
                await pool.fetchval("SELECT $1::int", number)
            async with pool.acquire() as connection:
                await connection.execute("SELECT 1")

    spans = recorded(address, work).spans

    assert [span.query_text for span in spans] == ["SELECT ?::int"] * 3 + ["SELECT ?"]
    assert {span.call_site.function_name for span in spans} == {"work"}


def test_what_sqlalchemy_sends_through_asyncpg_is_counted_once(plan_server):
    async def main():
        engine = create_async_engine(plan_server.replace("+psycopg", "+asyncpg"), pool_pre_ping=True)
        for _ in range(2):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                await connection.commit()
                raw = await connection.get_raw_connection()
                await raw.driver_connection.fetch("SELECT 2")
        await engine.dispose()

    collector = QueryCollector()
    collector.start()
    try:
        asyncio.run(main())
    finally:
        log = collector.stop()

    assert [span.driver for span in log.spans] == ["sqlalchemy", "asyncpg"] * 2
    assert kinds(log) == ["begin", "commit"] * 2
    assert len(log.pool.uses) == 2


def test_wrong_arguments_give_asyncpgs_own_error(address):
    async def work(connection):
        with pytest.raises(TypeError):
            await connection.fetch()
        with pytest.raises(asyncpg.DataError):
            await connection.fetch("SELECT $1::int", "three")
        assert await connection.fetchval(query="SELECT 1") == 1

    spans = recorded(address, work).spans

    assert [span.error_type for span in spans] == ["DataError", None]


def test_nested_blocks_each_count_their_own(address):
    inner = QueryCollector()

    async def work(connection):
        await connection.fetch("SELECT 1")
        inner.start()
        await connection.fetch("SELECT 2")
        inner.stop()

    assert (len(recorded(address, work).spans), inner.count) == (2, 1)
