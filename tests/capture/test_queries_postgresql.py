"""Statements on a real PostgreSQL, counted against libpq's own trace of the wire."""

import asyncio
import tempfile

import pandas as pd
import pytest
from sqlalchemy import create_engine, event, insert, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from perfkit.capture.queries import QueryCollector


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "perfkit_notes"
    __table_args__ = {"prefixes": ["TEMPORARY"]}  # noqa: RUF012  SQLAlchemy's own form
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]


@pytest.fixture
def connection(plan_server):
    engine = create_engine(plan_server)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def on_the_wire(connection, work):
    """Messages that libpq sends while the work runs: one Query or Execute for each statement."""
    pgconn = connection.connection.dbapi_connection.pgconn
    with tempfile.TemporaryFile("w+") as file:
        pgconn.trace(file.fileno())
        work()
        pgconn.untrace()
        file.seek(0)
        kinds = [line.split("\t")[1:4:2] for line in file if line.count("\t") >= 3]
    return [kind.strip() for side, kind in kinds if side == "F" and kind.strip() in ("Query", "Execute")]


def test_statements_and_transactions_together_are_what_libpq_sent(connection):
    def work():
        connection.execute(text("SELECT 1"))
        for number in range(4):
            connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})
        connection.commit()
        connection.execute(text("SELECT 2"))
        connection.rollback()

    wire: list[str] = []
    log = recorded(lambda: wire.extend(on_the_wire(connection, work)))

    assert len(log.spans) == 6
    assert len(log.spans) + len(log.transactions) == len(wire)


def test_rows_are_those_that_the_server_sent_not_those_that_were_read(connection):
    def work():
        result = connection.execute(text("SELECT id FROM orders WHERE id <= 18"))
        result.fetchmany(5)
        result.close()

    (span,) = recorded(work).spans

    assert (span.returned_rows, span.consumed_rows) == (18, 5)


def test_rows_of_a_server_side_cursor_are_unknown_and_not_none(connection):
    def work():
        streaming = connection.execution_options(stream_results=True)
        with streaming.execute(text("SELECT id FROM orders")) as result:
            next(result)
        connection.rollback()

    (span,) = recorded(work).spans

    assert span.returned_rows is None


def test_a_bulk_insert_of_the_orm_is_no_loop(connection):
    Base.metadata.create_all(connection)

    def work():
        with Session(connection) as session:
            session.add_all([Note(body=f"note {n}") for n in range(2500)])
            session.flush()

    log = recorded(work)

    assert {span.loop_id for span in log.spans} == {None}
    assert len({span.fingerprint for span in log.spans}) == 1
    connection.rollback()


def test_pandas_is_counted_and_named_by_the_line_that_reads(connection):
    def work():
        for limit in (1, 2, 3):
            pd.read_sql(text("SELECT * FROM customers WHERE id <= :n"), connection, params={"n": limit})

    # Before each statement, pandas asks the catalogue whether its text names a table.
    spans = [span for span in recorded(work).spans if "pg_catalog" not in span.query_text]

    assert {span.loop_site.source_text for span in spans} == {"for limit in (1, 2, 3):"}
    assert {span.call_site.source_text.split("(")[0] for span in spans} == {"pd.read_sql"}
    assert [span.returned_rows for span in spans] == [1, 2, 3]


def test_an_async_engine_is_counted_with_its_line_its_loop_and_its_task(plan_server):
    async def main():
        engine = create_async_engine(plan_server)
        async with engine.connect() as connection:
            for number in range(3):
                await connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})
        await engine.dispose()

    spans = [span for span in recorded(lambda: asyncio.run(main())).spans if "CAST" in span.query_text]

    assert len(spans) == 3
    assert {span.loop_site.source_text for span in spans} == {"for number in range(3):"}
    assert {span.call_site.function_name for span in spans} == {"main"}
    assert len({span.task_id for span in spans}) == 1


def test_an_executemany_is_one_statement_of_many_sets(connection):
    Base.metadata.create_all(connection)

    log = recorded(lambda: connection.execute(insert(Note.__table__), [{"body": str(n)} for n in range(50)]))

    assert [(span.batch_size, span.status) for span in log.spans] == [(50, "ok")]
    connection.rollback()


def test_a_comment_that_differs_on_each_statement_makes_no_new_shape(connection):
    def trace_parent(conn, cursor, statement, parameters, context, executemany):
        return f"{statement} /* traceparent='{id(cursor)}' */", parameters

    def work():
        event.listen(connection.engine, "before_cursor_execute", trace_parent, retval=True)
        for number in range(3):
            connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})
        event.remove(connection.engine, "before_cursor_execute", trace_parent)

    assert len({span.fingerprint for span in recorded(work).spans}) == 1


def test_a_server_that_dies_in_the_middle_gives_the_users_error_and_a_failed_statement(connection):
    from sqlalchemy.exc import OperationalError

    def work():
        with pytest.raises(OperationalError):
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    (span,) = recorded(work).spans

    assert span.status == "error"
    connection.invalidate()
