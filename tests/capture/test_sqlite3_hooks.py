"""sqlite3 without SQLAlchemy: counts against SQLite's own trace, behaviour against sqlite3 without us."""

import asyncio
import gc
import sqlite3
import threading

import aiosqlite
import pandas as pd
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from perfkit.capture.queries import QueryCollector


@pytest.fixture(autouse=True)
def _sqlite3_is_as_it_was():
    before = (sqlite3.connect, sqlite3.dbapi2.connect)
    yield
    assert (sqlite3.connect, sqlite3.dbapi2.connect) == before


@pytest.fixture
def old():
    """A connection from before the block."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)")
    connection.commit()
    yield connection
    connection.close()


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def kinds(log):
    return [event.kind for event in log.transactions]


def has_callback(connection):
    import sys

    return sys.modules["_sqlite3"] in gc.get_referents(connection)


def fill(connection):
    connection.execute("INSERT INTO books VALUES (?, ?)", (1, "it's -- not a comment"))
    connection.executemany("INSERT INTO books VALUES (?, ?)", [(n, f"title {n}") for n in range(2, 6)])
    connection.commit()
    connection.commit()
    with connection:
        connection.execute("DELETE FROM books WHERE id = 5")
    for number in (1, 2, 3):
        connection.execute("SELECT title FROM books WHERE id = ?", (number,)).fetchall()


def test_a_connection_opened_in_the_block_is_counted_as_sqlite_counts_it():
    sent = []

    def work():
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)")
        connection.set_trace_callback(sent.append)
        fill(connection)
        connection.close()

    log = recorded(work)
    _, *spans = log.spans

    assert sum(span.batch_size for span in spans) + len(log.transactions) == len(sent)
    assert [span.batch_size for span in spans] == [1, 4, 1, 1, 1, 1]
    assert kinds(log) == ["begin", "commit", "begin", "commit"]
    assert [span.returned_rows for span in spans] == [0, 0, 0, 1, 1, 1]
    assert {(span.system_name, span.driver) for span in spans} == {("sqlite", "sqlite3")}
    assert all(span.duration_ms > 0 for span in spans)
    assert {span.loop_site.source_text for span in spans[3:]} == {"for number in (1, 2, 3):"}
    assert {span.call_site.function_name for span in spans} == {"fill"}


def test_a_connection_from_before_the_block_is_counted_with_its_loop_and_without_its_time(old):
    log = recorded(lambda: fill(old))
    looped = log.spans[-3:]

    assert [span.batch_size for span in log.spans] == [1, 4, 1, 1, 1, 1]
    assert kinds(log) == ["begin", "commit", "begin", "commit"]
    assert {span.query_text for span in looped} == {"SELECT title FROM books WHERE id = ?"}
    assert {span.loop_site.source_text for span in looped} == {"for number in (1, 2, 3):"}
    assert len({span.parameter_fingerprint for span in looped}) == 3
    assert {span.returned_rows for span in log.spans} == {None}
    assert any("time" in note for note in log.notes)
    assert not has_callback(old)


def test_each_executemany_on_a_connection_from_before_is_one_statement(old):
    insert = "INSERT INTO books (title) VALUES (?)"

    def save(rows):
        old.cursor().executemany(insert, rows)

    def work():
        save([("a",), ("b",)])
        save([("c",)])  # another call of the same line
        save((title,) for title in "defg")
        (
            old
            .executemany(insert, [("h",), ("i",)])
        )  # fmt: skip
        for title in "jk":
            old.execute(insert, (title,))

    log = recorded(work)

    assert [span.batch_size for span in log.spans] == [2, 1, 4, 2, 1, 1]
    assert len({span.fingerprint for span in log.spans}) == 1


def test_an_executemany_that_one_line_repeats_at_once_is_told_as_one_and_noted(old):
    def work():
        for titles in (["a", "b"], ["c"]):
            old.executemany("INSERT INTO books (title) VALUES (?)", [(title,) for title in titles])

    log = recorded(work)

    assert [span.batch_size for span in log.spans] == [3]
    assert any("repeats at once counts as one" in note for note in log.notes)


def test_values_are_in_no_text(old):
    log = recorded(lambda: fill(old))

    assert not [span for span in log.spans if "title 3" in span.query_text or "comment" in span.query_text]


def test_a_callback_of_the_users_goes_on_and_the_connection_is_noted_as_not_seen(old):
    seen = []
    old.set_trace_callback(seen.append)

    log = recorded(lambda: old.execute("SELECT 1"))
    old.execute("SELECT 2")

    assert seen == ["SELECT 1", "SELECT 2"]
    assert log.spans == ()
    assert any("not seen" in note for note in log.notes)


def test_a_callback_that_the_user_sets_inside_the_block_stays(old):
    seen = []

    recorded(lambda: old.set_trace_callback(seen.append))
    old.execute("SELECT 1")

    assert seen == ["SELECT 1"]


def test_nested_blocks_each_count_a_connection_from_before(old):
    inner = QueryCollector()

    def work():
        old.execute("SELECT 1")
        inner.start()
        old.execute("SELECT 2")
        inner.stop()
        old.execute("SELECT 3")

    assert (len(recorded(work).spans), inner.count) == (3, 1)
    assert not has_callback(old)


def test_nested_blocks_and_later_ones_count_a_connection_opened_inside():
    inner, opened = QueryCollector(), []

    def work():
        inner.start()
        opened.append(sqlite3.connect(":memory:"))
        opened[0].execute("SELECT 2").fetchall()
        inner.stop()
        opened[0].execute("SELECT 3")

    log = recorded(work)
    later = recorded(lambda: opened[0].execute("SELECT 4").fetchall())

    assert (len(log.spans), inner.count, len(later.spans)) == (2, 1, 1)
    assert log.spans[0].returned_rows == inner.log().spans[0].returned_rows == 1
    assert later.spans[0].duration_ms > 0
    opened[0].close()


def test_what_sqlalchemy_runs_on_sqlite_is_counted_once_and_its_connections_are_plain():
    engine = create_engine("sqlite://", poolclass=StaticPool)
    types = []

    def work():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            types.append(type(connection.connection.dbapi_connection))

    first, second = recorded(work), recorded(work)
    engine.dispose()

    assert [span.driver for span in (*first.spans, *second.spans)] == ["sqlalchemy"] * 2
    assert types == [sqlite3.Connection] * 2


def test_a_raw_connection_of_an_engine_is_counted_and_sqlalchemys_use_of_it_once():
    engine = create_engine("sqlite://", poolclass=StaticPool)

    def work():
        raw = engine.raw_connection()
        raw.cursor().execute("SELECT 1").fetchall()
        raw.cursor().execute("CREATE TABLE t (a)")
        raw.cursor().execute("INSERT INTO t VALUES (1)")
        raw.commit()
        raw.close()
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (2)"))

    log = recorded(work)
    with engine.connect() as connection:
        assert not has_callback(connection.connection.dbapi_connection)
    engine.dispose()

    assert [span.driver for span in log.spans] == ["sqlite3"] * 3 + ["sqlalchemy"]
    assert kinds(log) == ["begin", "commit"] * 2


def test_an_async_engine_on_sqlite_is_counted_once():
    async def main():
        engine = create_async_engine("sqlite+aiosqlite://")
        for _ in range(2):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        await engine.dispose()

    assert [span.driver for span in recorded(lambda: asyncio.run(main())).spans] == ["sqlalchemy"] * 2


def test_pandas_on_a_plain_connection_is_counted_in_its_loop(old):
    def work():
        for number in range(3):
            pd.read_sql("SELECT * FROM books WHERE id = ?", old, params=(number,))

    spans = recorded(work).spans

    assert len(spans) == 3
    assert {span.loop_site.source_text for span in spans} == {"for number in range(3):"}


def test_a_statement_that_fails_is_counted_with_its_error():
    def work():
        connection = sqlite3.connect(":memory:")
        with pytest.raises(sqlite3.OperationalError, match="no such table: nope"):
            connection.execute("SELECT * FROM nope")
        connection.close()

    (span,) = recorded(work).spans

    assert (span.status, span.error_type) == ("error", "OperationalError")


def behaviour():
    """What a program can see of sqlite3."""

    class Own(sqlite3.Connection):
        def double(self, number):
            return self.execute("SELECT ? * 2", (number,)).fetchone()[0]

    class OwnCursor(sqlite3.Cursor):
        pass

    connection = sqlite3.connect(":memory:", factory=Own, isolation_level="IMMEDIATE")
    connection.row_factory = sqlite3.Row
    seen = [connection.double(4), type(connection).__name__, isinstance(connection, Own)]
    cursor = connection.cursor()
    seen += [cursor.connection is connection, isinstance(cursor, sqlite3.Cursor), repr(type(cursor))]
    seen += [cursor.execute("SELECT 1 AS one") is cursor, dict(cursor.fetchone()), cursor.fetchone()]
    seen += [type(connection.cursor(OwnCursor)) is OwnCursor, connection.isolation_level]
    cursor.execute("CREATE TABLE t (a)")
    cursor.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(4)))
    seen += [cursor.rowcount, connection.in_transaction, connection.total_changes]
    seen += [[tuple(row) for row in cursor.execute("SELECT a FROM t")], cursor.description]
    cursor.arraysize = 3
    seen += [len(cursor.execute("SELECT a FROM t").fetchmany()), len(cursor.fetchmany(size=5))]
    connection.executescript("INSERT INTO t VALUES (9); INSERT INTO t VALUES (10);")
    seen += [connection.in_transaction]
    for wrong in (
        cursor.execute,
        lambda: cursor.execute(None),
        lambda: cursor.execute("SELECT ?", []),
    ):
        try:
            wrong()
        except Exception as error:
            seen.append(type(error).__name__)
    try:
        with connection:
            connection.execute("INSERT INTO t VALUES (11)")
            raise LookupError
    except LookupError:
        seen += [connection.execute("SELECT count(*) FROM t").fetchone()[0]]
    errors = []
    thread = threading.Thread(target=lambda: errors.append(_error_of(lambda: connection.execute("SELECT 1"))))
    thread.start()
    thread.join()
    connection.close()
    return [*seen, *errors, _error_of(lambda: connection.execute("SELECT 1"))]


def _error_of(work):
    try:
        work()
    except sqlite3.ProgrammingError as error:
        return str(error)[:60]
    return None


def test_a_program_sees_no_difference():
    seen = []
    recorded(lambda: seen.append(behaviour()))

    assert seen == [behaviour()]


def test_a_connection_of_another_thread_is_left_alone():
    opened, done, closed = threading.Event(), threading.Event(), []

    def other():
        connection = sqlite3.connect(":memory:")
        opened.set()
        done.wait()
        connection.execute("SELECT 1")
        connection.close()
        closed.append(True)

    thread = threading.Thread(target=other)
    thread.start()
    opened.wait()

    def work():
        done.set()
        thread.join()

    recorded(work)

    assert closed == [True]


def test_a_raw_aiosqlite_connection_works_as_ever():
    async def main():
        async with aiosqlite.connect(":memory:") as connection:
            cursor = await connection.execute("SELECT 1")
            return await cursor.fetchall()

    rows = []
    recorded(lambda: rows.append(asyncio.run(main())))

    assert rows == [[(1,)]]


def test_a_connection_that_is_dropped_in_the_block_is_not_kept_alive(tmp_path):
    path = tmp_path / "t.db"

    def work(connections):
        connections.clear()
        gc.collect()  # a connection and its cache of statements refer to each other
        other = sqlite3.connect(path, timeout=0)
        other.execute("CREATE TABLE u (a)")
        other.close()

    first = sqlite3.connect(path)
    connections = [first]
    first.execute("CREATE TABLE t (a)")
    first.execute("BEGIN IMMEDIATE")
    del first
    import sys

    if sys.version_info < (3, 13):  # later versions warn of a connection that nobody closed
        recorded(lambda: work(connections))
    else:
        connections[0].close()


def test_a_connection_that_threads_share_is_left_alone_because_watching_it_could_stop_them_all():
    shared = sqlite3.connect(":memory:", check_same_thread=False)

    log = recorded(lambda: shared.execute("SELECT 1").fetchall())

    shared.close()
    assert log.spans == ()
