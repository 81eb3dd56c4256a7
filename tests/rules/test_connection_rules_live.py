"""The rules about connections, transactions and pages on real programs and a real PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from perfkit.model.finding import Finding
from perfkit.rules import diagnose, find_rule
from perfkit.session.measuring import measure

ONE = text("SELECT 1")
LOCK = text("SELECT id FROM orders WHERE id = 1 FOR UPDATE")
OTHER_SERVICE = text("SELECT pg_sleep(0.6)")


@pytest.fixture
def make_engine(plan_server):
    """Makes engines, and closes them."""
    engines = []

    def make(**options):
        engines.append(create_engine(plan_server, **options))
        return engines[-1]

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def service(make_engine):
    """A service that takes 0.6 s to answer: another connection of another pool."""
    engine = make_engine()
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    yield lambda: connection.execute(OTHER_SERVICE)
    connection.close()


def found(work: Callable[[], object]) -> dict[str, Finding]:
    with measure("program") as m:
        work()
    return {finding.rule: finding for finding in diagnose(m.trace).findings}


def ask(engine):
    with engine.connect() as connection:
        connection.execute(ONE)


def side_by_side(count: int, work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(count) as threads:
        for result in [threads.submit(work) for _ in range(count)]:
            result.result()


def test_pages_by_offset_that_get_slower_are_found_and_pages_by_key_are_not(postgres):
    def by_offset(connection):
        for page in range(12):
            connection.execute(
                text("SELECT * FROM orders ORDER BY id LIMIT 100 OFFSET :skip"), {"skip": page * 15_000}
            ).all()

    def by_key(connection):
        last = 0
        for _ in range(12):
            page = text("SELECT * FROM orders WHERE id > :last ORDER BY id LIMIT 100")
            last = connection.execute(page, {"last": last}).all()[-1].id

    with postgres.connect() as connection:
        by_offset(connection)
        # The rule reads times, so a busy machine may hide it once, but not five times.
        tries = (found(lambda: by_offset(connection)) for _ in range(5))
        slow, quick = next(filter(None, tries), {}), found(lambda: by_key(connection))

    assert set(slow) == {"deep-offset"}
    assert slow["deep-offset"].loop.source_text == "for page in range(12):"
    assert quick == {}


def test_an_engine_for_each_row_is_found_and_one_engine_is_not(make_engine):
    def each_its_own():
        for _ in range(6):
            ask(make_engine())

    def one_for_all():
        engine = make_engine()
        for _ in range(6):
            ask(engine)

    finding = found(each_its_own)["connection-per-query"]

    assert finding.loop.source_text == "for _ in range(6):"
    assert "engine once" in finding.advice
    assert "connection-per-query" not in found(one_for_all)


def test_a_pool_that_keeps_nothing_is_told_as_a_remark(make_engine):
    engine = make_engine(poolclass=NullPool)

    def work():
        for _ in range(6):
            ask(engine)

    assert found(work)["connection-per-query"].severity == "info"


def test_files_of_sqlite_opened_in_a_loop_are_no_matter(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE numbers AS SELECT 1 AS n"))

    def work():
        for n in range(6):
            with engine.connect() as connection:
                connection.execute(
                    text("WITH RECURSIVE c(x) AS (SELECT :n UNION ALL SELECT x + 1 FROM c LIMIT 200000) "
                         "SELECT count(*) FROM c"), {"n": n}
                )  # fmt: skip

    assert "connection-per-query" not in found(work)


def test_a_pool_that_fills_up_once_is_no_connection_for_each_query(make_engine):
    engine, gate = make_engine(pool_size=6), threading.Barrier(6)

    def work():
        with engine.connect() as connection:
            gate.wait()
            connection.execute(ONE)

    assert "connection-per-query" not in found(lambda: side_by_side(6, work))


def test_a_pool_that_is_too_small_is_told_to_grow(make_engine):
    engine = make_engine(pool_size=1, max_overflow=0)
    ask(engine)

    def work():
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.05)"))

    finding = found(lambda: side_by_side(4, work))["pool-exhausted"]

    assert "pool_size=" in finding.advice
    assert "pool-exhausted" not in found(lambda: ask(engine))


def test_a_pool_that_is_empty_because_its_connections_idle_is_not_told_to_grow(make_engine, service):
    engine, taken = make_engine(pool_size=1, max_overflow=0), threading.Event()
    ask(engine)

    def holder():
        with engine.connect() as connection:
            connection.execute(ONE)
            taken.set()
            service()

    def waiter():
        taken.wait()
        ask(engine)

    def work():
        with ThreadPoolExecutor(2) as threads:
            for result in [threads.submit(holder), threads.submit(waiter)]:
                result.result()

    rules = found(work)

    assert "pool_size=" not in rules["pool-exhausted"].advice
    assert rules["connection-held-idle"].severity == "fix now"
    assert rules["connection-held-idle"].location.source_text == "with engine.connect() as connection:"


def test_a_request_that_times_out_names_the_connection_that_never_came_back(make_engine):
    engine = make_engine(pool_size=1, max_overflow=0, pool_timeout=0.01)

    def work():
        forgotten = engine.connect()
        forgotten.execute(ONE)
        with pytest.raises(PoolTimeoutError):
            engine.connect()
        return forgotten

    kept = []
    finding = found(lambda: kept.append(work()))["pool-exhausted"]

    assert finding.severity == "fix now"
    assert "Give connections back" in finding.advice
    kept[0].close()


def test_a_row_that_stays_locked_during_a_call_to_a_service_is_found(postgres, service):
    def locked():
        with Session(postgres) as session:
            session.execute(LOCK)
            service()
            session.execute(ONE)
            session.commit()

    def released():
        with Session(postgres) as session:
            session.execute(LOCK)
            session.commit()
            service()
            session.execute(ONE)

    rules = found(locked)

    assert set(rules) == {"idle-in-transaction"}
    assert rules["idle-in-transaction"].severity == "worth it"
    assert rules["idle-in-transaction"].location.source_text == "session.execute(LOCK)"
    assert found(released) == {}


def test_a_transaction_without_locks_that_waits_is_told_once_and_as_a_remark(postgres, service):
    def work():
        with Session(postgres) as session:
            session.execute(text("SELECT count(*) FROM customers"))
            service()
            session.commit()

    assert [(rule, finding.severity) for rule, finding in found(work).items()] == [
        ("connection-held-idle", "info")
    ]


def test_rows_that_stream_keep_their_connection_for_a_reason(postgres, service):
    def work():
        with postgres.connect() as connection:
            rows = connection.execution_options(yield_per=100).execute(text("SELECT id FROM customers"))
            service()
            assert len(rows.all()) == 2000

    assert found(work) == {}


def test_every_rule_about_connections_could_judge(postgres):
    with measure("program") as m:
        ask(postgres)

    for code in ("PK501", "PK502", "PK503", "PK504", "PK505"):
        assert find_rule(code).can_judge(m.trace)


def test_threads_that_each_look_up_a_row_are_found_and_one_statement_for_all_is_not(make_engine):
    engine, gate = make_engine(pool_size=6), threading.Barrier(6)

    def look_up(number):
        with engine.connect() as connection:
            gate.wait()
            connection.execute(text("SELECT name FROM customers WHERE id = :id"), {"id": number})

    def each():
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(look_up, range(6)))

    def at_once():
        with engine.connect() as connection:
            connection.execute(
                text("SELECT name FROM customers WHERE id = ANY(:ids)"), {"ids": list(range(6))}
            )

    assert {"fan-out"} == set(found(each))
    assert found(at_once) == {}


def test_rows_that_nobody_reads_are_found_and_a_limit_is_not(postgres):
    def without(connection):
        connection.execute(text("SELECT * FROM customers")).fetchmany(20)

    def limited(connection):
        connection.execute(text("SELECT * FROM customers LIMIT 20")).all()

    with postgres.connect() as connection:
        connection.execute(ONE)
        assert set(found(lambda: without(connection))) == {"unbounded-result"}
        assert found(lambda: limited(connection)) == {}


def test_a_statement_that_takes_most_of_the_time_is_found_and_a_wait_on_purpose_is_not(postgres):
    busy = (
        "CREATE FUNCTION pg_temp.report() RETURNS int LANGUAGE plpgsql AS $$ "
        "DECLARE began timestamptz := clock_timestamp(); "
        "BEGIN WHILE clock_timestamp() < began + interval '550 ms' LOOP END LOOP; RETURN 1; END$$"
    )
    slow = text("SELECT pg_temp.report()")

    with postgres.connect() as connection:
        connection.exec_driver_sql(busy)
        assert "slow-query" in found(lambda: connection.execute(slow))
        assert found(lambda: connection.execute(OTHER_SERVICE)) == {}
