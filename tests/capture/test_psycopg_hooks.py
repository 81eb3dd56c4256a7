"""psycopg's statements are counted exactly, on a real PostgreSQL, against libpq's own trace of the wire."""

import asyncio
import tempfile
import threading

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.queries import QueryCollector

PATCHED = [
    (owner, name)
    for owner, names in {
        psycopg.Cursor: ("execute", "executemany", "stream", "copy"),
        psycopg.ServerCursor: ("execute",),
        psycopg.AsyncCursor: ("execute", "executemany", "stream", "copy"),
        psycopg.AsyncServerCursor: ("execute",),
        psycopg.Connection: ("commit", "rollback"),
        psycopg.AsyncConnection: ("commit", "rollback"),
        psycopg.Transaction: ("__enter__", "__exit__"),
        psycopg.AsyncTransaction: ("__aenter__", "__aexit__"),
    }.items()
    for name in names
]


@pytest.fixture(autouse=True)
def _psycopg_is_as_it_was():
    before = [vars(owner)[name] for owner, name in PATCHED]
    yield
    assert [vars(owner)[name] for owner, name in PATCHED] == before


@pytest.fixture
def address(plan_server):
    return plan_server.replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture
def connection(address):
    with psycopg.connect(address) as connection:
        yield connection
        if not connection.closed:
            connection.rollback()


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def recorded_async(address, work):
    async def main():
        async with await psycopg.AsyncConnection.connect(address) as connection:
            collector = QueryCollector()
            collector.start()
            try:
                await work(connection)
            finally:
                log = collector.stop()
            return log

    return asyncio.run(main())


def on_the_wire(connection, work):
    """Messages that libpq sends while the work runs: one Query or Execute for each statement."""
    with tempfile.TemporaryFile("w+") as file:
        connection.pgconn.trace(file.fileno())
        work()
        connection.pgconn.untrace()
        file.seek(0)
        # psycopg forgets its prepared statements after a rollback; that is upkeep, and nobody's statement.
        lines = [line for line in file if "DEALLOCATE ALL" not in line]
        kinds = [line.split("\t")[1:4:2] for line in lines if line.count("\t") >= 3]
    return [kind.strip() for side, kind in kinds if side == "F" and kind.strip() in ("Query", "Execute")]


def kinds(log):
    return [event.kind for event in log.transactions]


def test_statements_and_transactions_together_are_what_libpq_sent(connection):
    def work():
        connection.execute("SELECT 1")
        with connection.cursor() as cursor:
            for number in range(7):
                cursor.execute("SELECT %s::int", (number,))
        connection.commit()
        connection.commit()
        with connection.transaction():
            connection.execute("SELECT 2")
        connection.execute("SELECT 3")
        connection.rollback()

    wire: list[str] = []
    log = recorded(lambda: wire.extend(on_the_wire(connection, work)))

    assert len(log.spans) == 10
    assert kinds(log) == ["begin", "commit", "begin", "commit", "begin", "rollback"]
    assert len(log.spans) + len(log.transactions) == len(wire)


def test_savepoints_are_counted_as_libpq_sends_them(connection):
    def work():
        with connection.transaction("outer"):
            for number in range(2):
                with connection.transaction():
                    connection.execute("SELECT %s::int", (number,))
            with connection.transaction(force_rollback=True):
                connection.execute("SELECT 2")
            with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction('odd "name"'):
                connection.execute("SELECT 1 / 0")

    wire: list[str] = []
    log = recorded(lambda: wire.extend(on_the_wire(connection, work)))

    assert [" ".join(span.query_text.split()) for span in log.spans if "SELECT" not in span.query_text] == [
        'SAVEPOINT "outer"',
        *['SAVEPOINT "_pg3_2"', 'RELEASE "_pg3_2"'] * 2,
        *['SAVEPOINT "_pg3_2"', 'ROLLBACK TO "_pg3_2"', 'RELEASE "_pg3_2"'],
        *['SAVEPOINT "odd ""name"""', 'ROLLBACK TO "odd ""name"""', 'RELEASE "odd ""name"""'],
    ]
    assert kinds(log) == ["begin", "commit"]
    assert len(log.spans) + len(log.transactions) == len(wire)
    looped = [span for span in log.spans if span.query_text == 'SAVEPOINT "_pg3_2"'][:2]
    assert {span.loop_site.source_text for span in looped} == {"for number in range(2):"}


def test_a_transaction_on_a_connection_that_has_gone_counts_no_savepoint(connection):
    def lose():
        with connection.transaction(), connection.transaction():
            connection.close()
            connection.execute("SELECT 1")

    def work():
        with pytest.raises(psycopg.Error):
            lose()

    texts = [span.query_text for span in recorded(work).spans]

    assert texts == ['SAVEPOINT "_pg3_2"']


def test_savepoints_of_async_connections_are_counted(address):
    async def work(connection):
        async with connection.transaction(), connection.transaction():
            await connection.execute("SELECT 1")

    log = recorded_async(address, work)

    assert [span.operation_name for span in log.spans] == ["SAVEPOINT", "SELECT", "RELEASE"]
    assert kinds(log) == ["begin", "commit"]


def test_a_loop_is_proved_on_a_connection_that_was_opened_before_the_block(connection):
    def find(number):
        return connection.execute("SELECT id FROM customers WHERE id <= %s", (number,)).fetchall()

    def work():
        for number in (1, 2, 3):
            find(number)

    spans = recorded(work).spans

    assert {span.loop_site.source_text for span in spans} == {"for number in (1, 2, 3):"}
    assert {span.call_site.function_name for span in spans} == {"find"}
    assert [span.returned_rows for span in spans] == [1, 2, 3]
    assert {(span.system_name, span.driver, span.batch_size) for span in spans} == {
        ("postgresql", "psycopg", 1)
    }
    assert len({span.parameter_fingerprint for span in spans}) == 3
    assert len({span.fingerprint for span in spans}) == 1


CURSORS = {
    "client-side binding": psycopg.ClientCursor,
    "server-side binding": psycopg.Cursor,
}


@pytest.mark.parametrize("cursor_class", CURSORS.values(), ids=CURSORS)
def test_every_kind_of_cursor_is_seen(connection, cursor_class):
    def work():
        with cursor_class(connection) as cursor:
            cursor.execute("SELECT id FROM customers WHERE id <= %s", [4])

    (span,) = recorded(work).spans

    assert (span.returned_rows, span.query_text) == (4, "SELECT id FROM customers WHERE id <= ?")


def test_a_raw_cursor_and_a_cursor_class_of_the_users_are_seen_once(connection):
    class Logging(psycopg.RawCursor):
        def execute(self, query, params=None, **options):
            return super().execute(query, params, **options)

    (span,) = recorded(lambda: Logging(connection).execute("SELECT $1::int", [4])).spans

    assert span.query_text == "SELECT ?::int"


def test_a_named_cursor_is_one_statement_whose_rows_are_unknown(connection):
    def work():
        with connection.cursor("orders_cursor") as cursor:
            cursor.execute("SELECT id FROM orders WHERE id < %s", (500,))
            while cursor.fetchmany(100):
                pass

    (span,) = recorded(work).spans

    assert (span.returned_rows, span.operation_name) == (None, "SELECT")


def test_a_stream_is_one_statement_with_its_rows_and_without_the_programs_time(connection):
    def work():
        for _ in connection.cursor().stream("SELECT id FROM customers"):
            threading.Event().wait(0.00001)

    log = recorded(work)
    (span,) = log.spans

    assert span.returned_rows == 2000
    assert 0 < span.duration_ms < log.duration_ms


def test_a_stream_that_is_left_early_is_no_error(connection):
    def work():
        for row in connection.cursor().stream("SELECT id FROM customers"):
            if row:
                break

    (span,) = recorded(work).spans

    assert (span.status, span.returned_rows) == ("ok", 1)
    connection.rollback()  # psycopg cancels the rest, and with it the transaction
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_copy_is_one_statement_with_its_rows_in_both_directions(connection):
    def work():
        cursor = connection.cursor()
        cursor.execute("CREATE TEMPORARY TABLE copied (id int)")
        with cursor.copy("COPY copied FROM STDIN") as copy:
            for number in range(250):
                copy.write_row((number,))
        with cursor.copy("COPY copied TO STDOUT") as copy:
            assert len(list(copy.rows())) == 250

    _, into, out = recorded(work).spans

    assert [(span.operation_name, span.returned_rows) for span in (into, out)] == [("COPY", 250)] * 2
    assert into.call_site.function_name == "work"


def test_an_executemany_is_one_statement_of_many_sets(connection):
    connection.execute("CREATE TEMPORARY TABLE many (id int)")
    statement = "INSERT INTO many VALUES (%s)"

    def work():
        connection.cursor().executemany(statement, [(number,) for number in range(40)])
        connection.cursor().executemany(statement, ((number,) for number in range(30)))

    log = recorded(work)

    assert [span.batch_size for span in log.spans] == [40, 30]
    assert connection.execute("SELECT count(*) FROM many").fetchone() == (70,)


def test_a_pipeline_counts_each_statement_and_leaves_its_rows_unknown(connection):
    def work():
        with connection.pipeline():
            for number in range(5):
                connection.execute("SELECT %s::int", (number,))

    spans = recorded(work).spans

    assert [span.returned_rows for span in spans] == [None] * 5
    assert len({span.loop_id for span in spans}) == 1


def test_a_statement_that_fails_is_counted_with_its_error_and_the_error_reaches_the_user(connection):
    def work():
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM no_such_table")

    (span,) = recorded(work).spans

    assert (span.status, span.error_type) == ("error", "UndefinedTable")


def test_wrong_arguments_give_psycopgs_own_error(connection):
    def work():
        with pytest.raises(TypeError):
            connection.cursor().execute()
        with pytest.raises(TypeError):
            connection.cursor().execute("SELECT 1", no_such_option=True)
        with pytest.raises(TypeError):
            connection.cursor().execute(None)

    recorded(work)


def test_composed_and_binary_statements_have_their_shape_and_their_loop(connection):
    composed = sql.SQL("SELECT {} FROM customers WHERE id = %s").format(sql.Identifier("name"))

    def work():
        for number in range(3):
            connection.execute(composed, (number,))
        connection.execute(b"SELECT 1")

    *looped, binary = recorded(work).spans

    assert {span.query_text for span in looped} == {'SELECT "name" FROM customers WHERE id = ?'}
    assert {span.loop_site.source_text for span in looped} == {"for number in range(3):"}
    assert binary.query_text == "SELECT ?"


def test_what_sqlalchemy_sends_through_psycopg_is_counted_once(plan_server):
    engine = create_engine(plan_server, pool_pre_ping=True)

    def work():
        for _ in range(2):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                connection.execution_options(stream_results=True).execute(text("SELECT 2")).all()
                connection.commit()

    log = recorded(work)
    engine.dispose()

    assert [span.driver for span in log.spans] == ["sqlalchemy"] * 4
    assert kinds(log) == ["begin", "commit"] * 2


def test_a_raw_connection_of_an_engine_is_counted_by_the_driver(plan_server):
    engine = create_engine(plan_server)

    def work():
        connection = engine.raw_connection()
        connection.cursor().execute("SELECT 1")
        connection.close()

    log = recorded(work)
    engine.dispose()

    assert [span.driver for span in log.spans] == ["psycopg"]
    assert kinds(log) == ["begin", "rollback"]  # the pool takes back what was not committed


def test_a_cursor_class_of_the_users_under_sqlalchemy_is_counted_once(plan_server):
    class Logging(psycopg.Cursor):
        def execute(self, query, params=None, **options):
            return super().execute(query, params, **options)

    engine = create_engine(plan_server, connect_args={"cursor_factory": Logging})
    with engine.connect() as connection:
        log = recorded(lambda: connection.execute(text("SELECT 1")))
    engine.dispose()

    assert [span.driver for span in log.spans] == ["sqlalchemy"]


def test_perfkits_own_statements_are_not_counted_by_the_driver_either(plan_server):
    engine = create_engine(plan_server)

    def work():
        with engine.connect().execution_options(perfkit_internal=True) as connection:
            connection.execute(text("SELECT 1"))
            connection.rollback()

    log = recorded(work)
    engine.dispose()

    assert (log.spans, log.transactions) == ((), ())


def test_what_a_users_listener_sends_is_the_users(plan_server):
    engine = create_engine(plan_server)

    @event.listens_for(engine, "connect")
    def prepare(connection, record):
        connection.cursor().execute("SET search_path TO public")

    log = recorded(lambda: engine.connect().close())
    engine.dispose()

    assert [span.query_text for span in log.spans] == ["SET search_path TO public"]


def test_an_async_engine_is_counted_once_and_its_raw_connection_by_the_driver(plan_server):
    engine = create_async_engine(plan_server)

    async def main():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await connection.commit()
            raw = await connection.get_raw_connection()
            await raw.driver_connection.execute("SELECT 2")
            await connection.rollback()
        await engine.dispose()

    log = recorded(lambda: asyncio.run(main()))

    assert [span.driver for span in log.spans] == ["sqlalchemy", "psycopg"]
    assert log.spans[1].call_site.function_name == "main"
    assert len({span.connection_id for span in log.spans}) == 1


def test_async_statements_have_their_line_their_loop_their_task_and_their_rows(address):
    async def find(connection, number):
        cursor = await connection.execute("SELECT id FROM customers WHERE id <= %s", (number,))
        return await cursor.fetchall()

    async def work(connection):
        for number in range(3):
            await find(connection, number)
        await connection.commit()

    log = recorded_async(address, work)

    assert {span.loop_site.source_text for span in log.spans} == {"for number in range(3):"}
    assert {span.call_site.function_name for span in log.spans} == {"find"}
    assert [span.returned_rows for span in log.spans] == [0, 1, 2]
    assert len({span.task_id for span in log.spans} - {None}) == 1
    assert kinds(log) == ["begin", "commit"]


def test_async_batches_streams_copies_transactions_and_named_cursors(address):
    async def work(connection):
        cursor = connection.cursor()
        await cursor.execute("CREATE TEMPORARY TABLE copied (id int)")
        async with cursor.copy("COPY copied FROM STDIN") as copy:
            await copy.write_row((1,))
        await connection.commit()
        async with connection.transaction():
            await cursor.executemany("INSERT INTO copied VALUES (%s)", [(2,), (3,)])
            assert [row async for row in cursor.stream("SELECT * FROM copied")] == [(1,), (2,), (3,)]
        async with connection.cursor("named") as named:
            await named.execute("SELECT * FROM copied")
            await named.fetchall()

    log = recorded_async(address, work)

    assert [(span.returned_rows, span.batch_size) for span in log.spans] == [
        (0, 1), (1, 1), (0, 2), (3, 1), (None, 1),
    ]  # fmt: skip
    assert kinds(log) == ["begin", "commit", "begin", "commit", "begin"]


def test_a_task_that_is_cancelled_is_counted_with_its_error(address):
    async def work(connection):
        task = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
        while not await still_running(address):
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    sleeping = [span for span in recorded_async(address, work).spans if "pg_stat" not in span.query_text]

    assert [span.error_type for span in sleeping] == ["CancelledError"]


async def still_running(address):
    async with await psycopg.AsyncConnection.connect(address) as other:
        cursor = await other.execute("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
        return await cursor.fetchone()


def test_coroutine_functions_and_signatures_stay_what_they_are():
    import inspect

    def look():
        return [
            (inspect.signature(vars(o)[n]), inspect.iscoroutinefunction(vars(o)[n]), vars(o)[n].__name__)
            for o, n in PATCHED
        ]

    before, during = look(), []
    recorded(lambda: during.extend(look()))

    assert during == before


def test_blocks_that_overlap_and_end_in_any_order_leave_nothing(connection):
    first, second = QueryCollector(), QueryCollector()
    first.start()
    connection.execute("SELECT 1")
    second.start()
    connection.execute("SELECT 2")
    first.stop()
    connection.execute("SELECT 3")
    second.stop()
    connection.execute("SELECT 4")

    assert (first.count, second.count) == (2, 2)


def test_a_method_that_the_user_replaces_inside_the_block_stays_replaced(connection, monkeypatch):
    collector = QueryCollector()
    collector.start()
    ours = psycopg.Cursor.execute

    def theirs(cursor, *arguments, **options):
        return ours(cursor, *arguments, **options)

    psycopg.Cursor.execute = theirs
    collector.stop()
    kept = psycopg.Cursor.execute
    connection.execute("SELECT 1")
    psycopg.Cursor.execute = ours.__wrapped__

    assert kept is theirs
    assert collector.count == 0


def test_a_block_that_ends_while_a_thread_is_in_the_middle_of_a_statement(connection, address):
    collector = QueryCollector()
    collector.start()

    def sleep():
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")

    thread = threading.Thread(target=sleep)
    thread.start()
    with psycopg.connect(address, autocommit=True) as other:
        sleeping = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND query LIKE '%%pg_sleep%%'"
        while not other.execute(sleeping, (connection.info.backend_pid,)).fetchone():
            pass
        log = collector.stop()
        other.execute("SELECT pg_cancel_backend(%s)", (connection.info.backend_pid,))
    thread.join()

    (span,) = [
        span for span in log.spans if "pg_sleep" in span.query_text and "pg_stat" not in span.query_text
    ]
    assert span.duration_ms > 0
    assert any("still running" in note for note in log.notes)


def test_connections_that_follow_each_other_are_told_apart(address):
    def work():
        for _ in range(3):
            with psycopg.connect(address) as connection:
                connection.execute("SELECT 1")

    assert [span.connection_id for span in recorded(work).spans] == [1, 2, 3]


def test_threads_are_told_apart(address):
    def ask():
        with psycopg.connect(address) as connection:
            connection.execute("SELECT 1")

    def work():
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    log = recorded(work)

    assert len({span.connection_id for span in log.spans}) == len(log.spans) == 3
    assert kinds(log).count("commit") == 3
