"""Statements are seen where every dialect sends them, and an error passes by as if nobody looked."""

import asyncio
import contextlib
import sqlite3
import traceback

import pytest
from sqlalchemy import create_engine, insert, literal, select, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from perfkit.capture.queries import QueryCollector


class Base(DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def count(work):
    return len(recorded(work).spans)


def fail_in_a_statement(engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


def fail_without_parameters(engine):
    with engine.connect() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql("SELECT * FROM nowhere")


def fail_in_a_batch(engine):
    with engine.connect() as connection:
        connection.execute(insert(Tag), [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}])


def fail_in_a_commit(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            "CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.commit()
        connection.exec_driver_sql("INSERT INTO b VALUES (1)")
        connection.commit()


def fail_to_connect(_):
    create_engine("sqlite:////nowhere/at/all.db").connect()


def fail_in_sqlite3(_):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("SELECT * FROM nowhere")


def fail_in_a_script_of_sqlite3(_):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.cursor().executescript("SELECT 1; SELECT * FROM nowhere")


def fail_in_a_batch_of_sqlite3(_):
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executemany("INSERT INTO nowhere VALUES (?)", iter([(1,)]))


def stack_of(work, engine):
    """The frames of the error's own traceback and of its cause's, those of this test left out."""
    try:
        work(engine)
    except (OperationalError, IntegrityError, ProgrammingError, sqlite3.Error) as error:
        return [
            (frame.f_code.co_name, line)
            for one in filter(None, (error, error.__cause__))
            for frame, line in traceback.walk_tb(one.__traceback__)
            if frame.f_code is not stack_of.__code__
        ]


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize(
    "work",
    [
        fail_in_a_statement,
        fail_without_parameters,
        fail_in_a_batch,
        fail_in_a_commit,
        fail_to_connect,
        fail_in_sqlite3,
        fail_in_a_script_of_sqlite3,
        fail_in_a_batch_of_sqlite3,
    ],
)
def test_the_traceback_of_an_error_is_what_it_is_without_perfkit(work, blocks, engine):
    collectors = [QueryCollector() for _ in range(blocks)]
    for collector in collectors:
        collector.start()
    watched = stack_of(work, engine)
    for collector in reversed(collectors):
        collector.stop()
    engine.dispose()
    Base.metadata.create_all(engine)

    assert watched
    assert watched == stack_of(work, engine)


@pytest.mark.parametrize("work", [fail_in_a_statement, fail_in_a_batch])
def test_the_traceback_of_an_error_of_psycopg_is_what_it_is_without_perfkit(work, plan_server):
    engine, collector = create_engine(plan_server), QueryCollector()
    stack_of(work, engine)  # the first connection is made
    collector.start()
    watched = stack_of(work, engine)
    collector.stop()

    assert watched == stack_of(work, engine)
    engine.dispose()


def test_the_traceback_of_an_error_in_a_coroutine_is_what_it_is_without_perfkit(plan_server):
    async def fail(engine):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT * FROM nowhere"))

    async def main():
        engine, collector, stacks = create_async_engine(plan_server), QueryCollector(), []
        for step in (None, collector.start, collector.stop):
            if step is not None:
                step()
            try:
                await fail(engine)
            except ProgrammingError as error:
                stacks.append([(f.f_code.co_name, n) for f, n in traceback.walk_tb(error.__traceback__)])
        await engine.dispose()
        return stacks

    before, during, after = asyncio.run(main())

    assert during == after
    assert before


def test_a_failing_statement_is_counted_with_its_error(engine):
    def work():
        with pytest.raises(OperationalError):
            fail_in_a_statement(engine)

    (span,) = recorded(work).spans

    assert (span.status, span.error_type, span.returned_rows) == ("error", "OperationalError", None)


def test_a_statement_without_parameters_is_counted(engine):
    def work():
        with engine.connect() as connection:
            connection.execution_options(no_parameters=True).exec_driver_sql("SELECT 1")

    assert count(work) == 1


class OwnWay(SQLiteDialect_pysqlite):
    """A dialect that sends by itself."""

    supports_statement_cache = True

    def do_execute(self, cursor, statement, parameters, context=None):
        cursor.execute(statement, parameters)


class OneMoreStep(SQLiteDialect_pysqlite):
    """A dialect that calls the method that it overrides."""

    supports_statement_cache = True

    def do_execute(self, cursor, statement, parameters, context=None):
        super().do_execute(cursor, statement, parameters, context)


@pytest.mark.parametrize("dialect", [OwnWay, OneMoreStep])
def test_a_dialect_with_a_method_of_its_own_is_counted_once(dialect):
    registry.register("sqlite.own", __name__, dialect.__name__)
    engine = create_engine("sqlite+own://")

    def work():
        with engine.connect() as connection:
            connection.execute(select(1))

    assert [span.query_text for span in recorded(work).spans] == ["SELECT ?"]


def test_a_dialect_that_is_first_used_inside_the_block_is_counted():
    def work():
        class Late(SQLiteDialect_pysqlite):
            supports_statement_cache = True

            def do_execute(self, cursor, statement, parameters, context=None):
                cursor.execute(statement, parameters)

        globals()["Late"] = Late
        registry.register("sqlite.late", __name__, "Late")
        with create_engine("sqlite+late://").connect() as connection:
            connection.execute(select(1))

    assert count(work) == 1


def test_what_a_new_connection_is_asked_by_its_dialect_is_not_counted(plan_server):
    engine = create_engine(plan_server)

    def work():
        with engine.connect() as connection:
            connection.execute(select(1))

    assert count(work) == 1
    engine.dispose()


def test_what_a_new_async_connection_is_asked_by_its_dialect_is_not_counted(plan_server):
    async def main():
        engine = create_async_engine(plan_server)
        async with engine.connect() as connection:
            await connection.execute(select(1))
        await engine.dispose()

    assert count(lambda: asyncio.run(main())) == 1


def batch_sizes(session, rows, page):
    """Of an insert of so many rows that asks for their keys, by so many at a time."""

    def work():
        session.execute(
            insert(Tag).returning(Tag.id),
            [{"id": number, "name": "x"} for number in range(rows)],
            execution_options={"insertmanyvalues_page_size": page},
        )

    return [span.batch_size for span in recorded(work).spans]


@pytest.mark.parametrize(("rows", "page", "sizes"), [(5, 2, [2, 2, 1]), (3, 1, [1, 1, 1]), (4, 9, [4])])
def test_statements_with_many_rows_of_values_tell_their_rows(rows, page, sizes, engine):
    with Session(engine) as session:
        assert batch_sizes(session, rows, page) == sizes


def test_statements_with_many_rows_of_named_values_tell_their_rows(plan_server):
    engine = create_engine(plan_server)
    with Session(engine) as session:
        session.execute(text("CREATE TEMPORARY TABLE tags (id int, name text)"))

        assert batch_sizes(session, 5, 2) == [2, 2, 1]
    engine.dispose()


def test_a_value_of_all_rows_is_no_row(engine):
    """`RETURNING` may have a parameter of its own, which is sent once for all rows."""

    def work():
        with Session(engine) as session:
            session.execute(
                insert(Tag).returning(Tag.id, literal("x").label("a"), literal("y").label("b")),
                [{"id": number, "name": "x"} for number in range(3)],
            )

    assert [span.batch_size for span in recorded(work).spans] == [3]


def test_an_executemany_tells_its_sets(engine):
    def work():
        with engine.connect() as connection:
            connection.execute(insert(Tag), [{"id": number, "name": "x"} for number in range(7)])

    assert [span.batch_size for span in recorded(work).spans] == [7]
