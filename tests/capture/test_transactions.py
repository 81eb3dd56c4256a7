"""How long a commit takes: on PostgreSQL with work that waits for the commit, through every driver."""

import asyncio
import contextlib
import sqlite3

import asyncpg
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture import recorder
from perfkit.capture.queries import QueryCollector
from perfkit.session import measure

WAIT_MS = 30
# A deferred constraint is checked by COMMIT, so that this one takes as long as its check.
SLOW_COMMIT = (
    "CREATE FUNCTION pg_temp.wait() RETURNS trigger LANGUAGE plpgsql AS "
    f"'BEGIN PERFORM pg_sleep({WAIT_MS / 1000}); RETURN NULL; END'",
    "CREATE TEMPORARY TABLE slow (n int)",
    "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION pg_temp.wait()",
)
INSERT = "INSERT INTO slow VALUES (1)"


@pytest.fixture(autouse=True)
def _sqlalchemy_is_as_it_was():
    before = [vars(DefaultDialect)[name] for name in ("do_commit", "do_rollback")]
    yield
    assert [vars(DefaultDialect)[name] for name in ("do_commit", "do_rollback")] == before


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


@contextlib.contextmanager
def psycopg_connection(url):
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for statement in SLOW_COMMIT:
            connection.execute(statement)
        connection.commit()
        yield connection


def psycopg_commit(url):
    with psycopg_connection(url) as connection:

        def work():
            connection.execute(INSERT)
            connection.commit()

        return recorded(work)


def psycopg_transaction(url):
    with psycopg_connection(url) as connection:

        def work():
            with connection.transaction():
                connection.execute(INSERT)

        return recorded(work)


def sqlalchemy_psycopg(url):
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            for statement in SLOW_COMMIT:
                connection.exec_driver_sql(statement)
            connection.commit()

            def work():
                connection.execute(text(INSERT))
                connection.commit()

            return recorded(work)
    finally:
        engine.dispose()


def psycopg_async(url):
    async def main():
        async with await psycopg.AsyncConnection.connect(url.replace("+psycopg", "")) as connection:
            for statement in SLOW_COMMIT:
                await connection.execute(statement)
            await connection.commit()
            collector = QueryCollector()
            collector.start()
            async with connection.transaction():
                await connection.execute(INSERT)
            return collector.stop()

    return asyncio.run(main())


def asyncpg_transaction(url):
    async def main():
        parts = make_url(url)
        host = parts.query.get("host", parts.host)
        connection = await asyncpg.connect(host=host, user=parts.username, database=parts.database)
        for statement in SLOW_COMMIT:
            await connection.execute(statement)
        collector = QueryCollector()
        collector.start()
        async with connection.transaction():
            await connection.execute(INSERT)
        log = collector.stop()
        await connection.close()
        return log

    return asyncio.run(main())


def sqlalchemy_async(driver, url):
    async def main():
        engine = create_async_engine(url.replace("+psycopg", f"+{driver}"))
        async with engine.connect() as connection:
            for statement in SLOW_COMMIT:
                await connection.exec_driver_sql(statement)
            await connection.commit()
            collector = QueryCollector()
            collector.start()
            await connection.execute(text(INSERT))
            await connection.commit()
            log = collector.stop()
        await engine.dispose()
        return log

    return asyncio.run(main())


def sqlalchemy_async_psycopg(url):
    return sqlalchemy_async("psycopg", url)


def sqlalchemy_asyncpg(url):
    return sqlalchemy_async("asyncpg", url)


@pytest.mark.parametrize(
    "way",
    [
        psycopg_commit,
        psycopg_transaction,
        sqlalchemy_psycopg,
        psycopg_async,
        asyncpg_transaction,
        sqlalchemy_async_psycopg,
        sqlalchemy_asyncpg,
    ],
)
def test_a_commit_takes_as_long_as_the_database_works_on_it(plan_server, way):
    (span,), (*_, commit) = (log := way(plan_server)).spans, log.transactions

    assert [event.kind for event in log.transactions] == ["begin", "commit"]
    assert commit.duration_ms >= WAIT_MS
    assert commit.time_ms >= span.end_ms


def test_the_time_of_commits_is_time_in_the_database(plan_server):
    with psycopg_connection(plan_server) as connection, measure("commits") as measured:
        for _ in range(2):
            connection.execute(INSERT)
            connection.commit()

    trace = measured.trace
    assert trace.database_ms >= 2 * WAIT_MS
    assert trace.database_ms + trace.python_ms == pytest.approx(trace.duration_ms)
    assert trace.transaction_counts.total_ms >= 2 * WAIT_MS


def test_commits_beyond_those_that_are_kept_are_added_up(plan_server, monkeypatch):
    monkeypatch.setattr(recorder, "KEPT", 2)
    with psycopg_connection(plan_server) as connection, measure("commits") as measured:
        for _ in range(3):
            connection.execute(INSERT)
            connection.commit()

    trace = measured.trace
    assert (len(trace.transactions), trace.transaction_counts.total) == (2, 6)
    assert trace.more_transactions.total_ms >= 2 * WAIT_MS
    assert trace.database_ms >= 3 * WAIT_MS


def test_a_commit_that_fails_is_counted_with_its_time(plan_server):
    failing = "CREATE TEMPORARY TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    with psycopg.connect(plan_server.replace("+psycopg", "")) as connection:
        connection.execute(failing)
        connection.commit()

        def work():
            connection.execute("INSERT INTO once VALUES (1), (1)")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.commit()

        log = recorded(work)

    assert [event.kind for event in log.transactions] == ["begin", "commit"]
    assert log.transactions[-1].duration_ms is not None


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_ends_of_sqlite_transactions_are_timed(tmp_path, end):
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db")

    def work():
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE notes (n)")
            getattr(connection, end)()
        notes = sqlite3.connect(tmp_path / "more.db")
        notes.execute("CREATE TABLE notes (n)")
        notes.execute("INSERT INTO notes VALUES (1)")
        getattr(notes, end)()
        notes.close()

    log = recorded(work)
    engine.dispose()

    ends = [event for event in log.transactions if event.kind != "begin"]
    assert [event.kind for event in ends] == [end, end]
    assert all(event.duration_ms > 0 for event in ends)


def test_a_rollback_that_a_pool_sends_for_itself_is_not_timed_as_the_blocks(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/notes.db")

    def work():
        with engine.connect():
            pass  # the pool resets the connection when it comes back

    log = recorded(work)
    engine.dispose()

    assert log.transactions == ()


def test_a_begin_that_goes_with_a_statement_has_no_time_of_its_own(plan_server):
    begin, _ = psycopg_commit(plan_server).transactions

    assert begin.duration_ms is None


AUTOCOMMIT = {
    "of the engine": lambda url: create_engine(url, isolation_level="AUTOCOMMIT").connect(),
    "of the connection": lambda url: (
        create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT")
    ),
}


@pytest.mark.parametrize("connect", AUTOCOMMIT.values(), ids=AUTOCOMMIT)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_where_each_statement_commits_itself_no_transaction_is_counted(plan_server, database, connect):
    connection = connect("sqlite://" if database == "sqlite" else plan_server)

    def work():
        connection.execute(text("SELECT 1")).all()
        connection.commit()
        connection.execute(text("SELECT 2")).all()
        connection.rollback()

    log = recorded(work)
    connection.close()
    connection.engine.dispose()

    assert len(log.spans) == 2
    assert log.transactions == ()


def test_a_transaction_after_autocommit_is_counted_again(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/one.db")

    def work():
        with engine.connect() as connection:
            own = connection.execution_options(isolation_level="AUTOCOMMIT")
            own.execute(text("SELECT 1")).all()
        with engine.connect() as connection:
            connection.execute(text("SELECT 1")).all()

    log = recorded(work)
    engine.dispose()

    assert [event.kind for event in log.transactions] == ["begin", "rollback"]
