"""Loans of real pools: who asked, how long it waited, what it opened, when it gave back."""

import asyncio
import threading

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, Pool, QueuePool, SingletonThreadPool, StaticPool

from perfkit.capture.queries import QueryCollector

EVENTS = ("connect", "checkout", "checkin", "detach")


@pytest.fixture(autouse=True)
def _pools_are_as_they_were():
    before = look()
    yield
    assert look() == before


def look():
    return (
        [len(getattr(Pool.dispatch, name)._clslevel.get(Pool, ())) for name in EVENTS],
        len(Dialect.dispatch.do_connect._clslevel.get(Dialect, ())),
        [vars(cls)["connect"] for cls in (Pool, SingletonThreadPool)],
    )


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path}/pool.db", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01
    )
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


def ask(engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def test_the_first_loan_opens_a_connection_and_the_second_has_it_again(engine):
    def work():
        for _ in range(2):
            ask(engine)

    log = recorded(work)
    first, second = log.pool.uses

    assert first.connect_ms > 0
    assert second.connect_ms is None
    assert first.connection_id == second.connection_id == log.spans[0].connection_id
    assert first.requested_ms <= first.acquired_ms <= first.released_ms <= second.requested_ms
    assert first.wait_ms >= first.connect_ms
    assert {use.call_site.function_name for use in log.pool.uses} == {"ask"}
    assert {use.loop_site.source_text for use in log.pool.uses} == {"for _ in range(2):"}


def test_a_pool_has_its_kind_and_its_limits(engine):
    unlimited = create_engine("sqlite://", poolclass=QueuePool, pool_size=0, max_overflow=-1)
    plain = create_engine("sqlite://", poolclass=NullPool)

    log = recorded(lambda: (ask(engine), ask(unlimited), ask(plain), ask(engine)))

    unlimited.dispose()
    assert [(pool.kind, pool.size, pool.max_overflow) for pool in log.pool.pools] == [
        ("QueuePool", 1, 0), ("QueuePool", None, None), ("NullPool", None, None),
    ]  # fmt: skip
    assert [use.pool_id for use in log.pool.uses] == [1, 2, 3, 1]


def test_connections_that_are_opened_one_after_the_other_are_told_apart(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/null.db", poolclass=NullPool)

    def work():
        for _ in range(3):
            ask(engine)

    log = recorded(work)

    assert (
        [use.connection_id for use in log.pool.uses]
        == [span.connection_id for span in log.spans]
        == [1, 2, 3]
    )
    assert all(use.connect_ms for use in log.pool.uses)


def test_a_pool_that_has_none_left_gives_the_users_error_and_a_loan_that_never_came(engine):
    def work():
        with engine.connect(), pytest.raises(PoolTimeoutError):
            engine.connect()

    held, refused = recorded(work).pool.uses

    assert held.error_type is None
    assert (refused.error_type, refused.acquired_ms, refused.released_ms) == ("TimeoutError", None, None)
    assert refused.connection_id == 0


def test_a_thread_that_waits_for_another_ones_connection_has_its_wait_measured(engine):
    engine.pool._timeout = 30
    asked, done = threading.Event(), []

    @event.listens_for(engine, "checkin")
    def returned(connection, record):
        done.append("given back")

    def wait():
        asked.set()
        ask(engine)

    def work():
        with engine.connect():
            thread = threading.Thread(target=wait)
            thread.start()
            asked.wait()
        thread.join()

    log = recorded(work)
    held, waited = sorted(log.pool.uses, key=lambda use: use.acquired_ms)

    assert waited.acquired_ms >= held.released_ms
    assert waited.thread_id != held.thread_id
    assert len(done) == 2


def test_a_connection_that_cannot_be_opened_is_a_loan_with_an_error():
    engine = create_engine("sqlite:////no/such/folder/at.all")

    def work():
        with pytest.raises(OperationalError):
            engine.connect()

    (use,) = recorded(work).pool.uses

    assert (use.error_type, use.acquired_ms) == ("OperationalError", None)


def test_a_loan_from_before_the_block_may_end_in_it_and_is_not_counted(engine):
    connection = engine.connect()

    def work():
        connection.execute(text("SELECT 1"))
        connection.close()

    assert recorded(work).pool.uses == ()


def test_a_loan_that_outlives_the_block_is_not_released(engine):
    kept = []

    (use,) = recorded(lambda: kept.append(engine.connect())).pool.uses
    kept[0].close()

    assert use.acquired_ms is not None
    assert (use.released_ms, use.held_ms) == (None, None)


def test_a_connection_that_is_detached_has_left_the_pool(engine):
    def work():
        connection = engine.connect()
        connection.detach()
        connection.close()

    (use,) = recorded(work).pool.uses

    assert use.released_ms is not None


def test_a_raw_connection_is_a_loan(engine):
    (use,) = recorded(lambda: engine.raw_connection().close()).pool.uses

    assert use.released_ms is not None


def test_the_same_connection_lent_again_to_its_own_thread_is_one_loan():
    engine = create_engine("sqlite://", poolclass=SingletonThreadPool)

    def work():
        with engine.connect(), engine.connect() as again:
            again.execute(text("SELECT 1"))

    log = recorded(work)

    engine.dispose()
    assert len(log.pool.uses) == 1


def test_a_pool_of_one_connection_for_all_is_seen():
    engine = create_engine("sqlite://", poolclass=StaticPool)

    log = recorded(lambda: (ask(engine), ask(engine)))

    engine.dispose()
    assert [use.released_ms is not None for use in log.pool.uses] == [True, True]


def test_nested_blocks_each_see_their_own_loans(engine):
    inner = QueryCollector()
    logs = []

    def work():
        ask(engine)
        inner.start()
        ask(engine)
        logs.append(inner.stop())

    outer = recorded(work)

    assert (len(outer.pool.uses), len(logs[0].pool.uses)) == (2, 1)
    assert all(use.connection_id and use.released_ms for use in (*outer.pool.uses, *logs[0].pool.uses))


def test_a_listener_of_the_users_that_raises_still_raises(engine):
    @event.listens_for(engine, "checkout")
    def refuse(connection, record, proxy):
        raise PermissionError("not now")

    def work():
        with pytest.raises(PermissionError):
            engine.connect()

    (use,) = recorded(work).pool.uses

    assert use.error_type == "PermissionError"


def test_an_interrupt_while_the_pool_is_at_work_leaves_nothing(engine):
    @event.listens_for(engine, "checkout")
    def interrupt(connection, record, proxy):
        raise KeyboardInterrupt

    def work():
        with pytest.raises(KeyboardInterrupt):
            engine.connect()

    assert [use.error_type for use in recorded(work).pool.uses] == ["KeyboardInterrupt"]


def test_async_engines_lend_with_line_and_loop_and_set_up_nothing_that_is_counted(plan_server):
    async def main():
        engine = create_async_engine(plan_server, pool_size=2, pool_pre_ping=True)

        async def find(number):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT CAST(:n AS int)"), {"n": number})

        for number in range(3):
            await find(number)
        await asyncio.gather(*(find(number) for number in range(5)))
        await engine.dispose()

    log = recorded(lambda: asyncio.run(main()))

    assert len(log.spans) == len(log.pool.uses) == 8
    assert {use.call_site.function_name for use in log.pool.uses} == {"find"}
    assert {use.loop_site.source_text for use in log.pool.uses[:3]} == {"for number in range(3):"}
    assert {use.loop_id for use in log.pool.uses[3:]} == {None}
    assert all(use.released_ms is not None for use in log.pool.uses)
    assert {span.connection_id for span in log.spans} == {use.connection_id for use in log.pool.uses}
    assert [(pool.kind, pool.size) for pool in log.pool.pools] == [("AsyncAdaptedQueuePool", 2)]


def test_an_engine_that_is_thrown_away_in_the_block_is_not_kept_alive():
    import gc
    import weakref

    dead = []

    def work():
        engine = create_engine("sqlite://")
        ask(engine)
        dead.append(weakref.ref(engine.pool))
        engine.dispose()
        del engine
        gc.collect()
        dead.append(dead[0]() is None)

    recorded(work)

    assert dead[1]


def test_hooks_that_cannot_be_installed_are_noted_and_the_block_goes_on(engine, monkeypatch):
    from perfkit.capture.psycopg_hooks import PsycopgHooks

    def fail(hooks):
        raise AttributeError("a class that a later version has renamed")

    monkeypatch.setattr(PsycopgHooks, "install", fail)

    log = recorded(lambda: ask(engine))

    assert len(log.spans) == 1
    assert any("Psycopg was not watched" in note for note in log.notes)


def test_an_interrupt_while_hooks_are_installed_leaves_nothing(monkeypatch):
    from perfkit.capture.asyncpg_hooks import AsyncpgHooks

    def interrupt(hooks):
        raise KeyboardInterrupt

    monkeypatch.setattr(AsyncpgHooks, "install", interrupt)

    with pytest.raises(KeyboardInterrupt):
        QueryCollector().start()
