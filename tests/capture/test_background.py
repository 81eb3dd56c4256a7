"""Work that was under way before the block is marked, and the block's own work is not."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from perfkit.capture import recorder
from perfkit.capture.queries import QueryCollector
from perfkit.pytest_plugin.counter import QueryCounter
from perfkit.session import measure


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    yield engine
    engine.dispose()


def ask(engine):
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def marks(log):
    """Whether each statement is background, in the order in which they were sent."""
    assert not any(span.is_background for span in log.spans)
    assert all(span.is_background for span in log.background)
    together = sorted([*log.spans, *log.background], key=lambda span: span.start_ms)
    return [span.is_background for span in together]


class Poller:
    """Asks once each time it is told to; `work` is what a thread or worker runs."""

    def __init__(self, engine):
        self.engine = engine
        self.begun, self.go, self.asked = threading.Event(), threading.Event(), threading.Event()

    def work(self):
        self.begun.set()
        self.go.wait()
        ask(self.engine)
        self.asked.set()

    def poll(self):
        self.go.set()
        self.asked.wait()


def recorded(work):
    collector = QueryCollector()
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def test_a_thread_that_ran_before_the_block_is_background_and_the_blocks_thread_is_not(engine):
    poller = Poller(engine)
    thread = threading.Thread(target=poller.work)
    thread.start()
    poller.begun.wait()

    log = recorded(lambda: (ask(engine), poller.poll(), ask(engine)))

    thread.join()
    assert marks(log) == [False, True, False]


def test_a_thread_that_the_block_starts_is_the_blocks(engine):
    def work():
        thread = threading.Thread(target=ask, args=(engine,))
        thread.start()
        thread.join()

    assert marks(recorded(work)) == [False]


def test_an_idle_worker_of_an_older_pool_works_for_the_block(engine):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(ask, engine).result()
        while not is_idle(pool):
            pass

        log = recorded(lambda: pool.submit(ask, engine).result())

    assert marks(log) == [False]


def is_idle(pool):
    """Whether the only worker waits for work again."""
    import sys

    (thread,) = pool._threads
    return sys._current_frames()[thread.ident].f_code.co_name == "_worker"


def test_a_busy_worker_is_background_until_its_piece_of_work_is_done(engine):
    poller = Poller(engine)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(poller.work)
        poller.begun.wait()

        log = recorded(lambda: (poller.poll(), pool.submit(ask, engine).result()))

    assert marks(log) == [True, False]


def test_a_task_from_before_is_background_and_one_from_the_block_is_not(engine):
    async def poll(told):
        await told.wait()
        ask(engine)

    async def main():
        told = asyncio.Event()
        old = asyncio.create_task(poll(told))
        await asyncio.sleep(0)
        collector = QueryCollector()
        collector.start()
        told.set()
        await old
        ask(engine)
        await asyncio.gather(poll(told), poll(told))
        return collector.stop()

    assert marks(asyncio.run(main())) == [True, False, False, False]


def test_a_new_task_in_the_loop_of_an_older_thread_is_the_blocks(engine):
    async def query():
        ask(engine)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    log = recorded(lambda: asyncio.run_coroutine_threadsafe(query(), loop).result())

    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert marks(log) == [False]


def test_no_mark_stays_on_a_worker_that_goes_on(engine):
    import sys

    poller = Poller(engine)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(poller.work)
        poller.begun.wait()
        recorded(lambda: None)
        (thread,) = pool._threads
        frame, traces = sys._current_frames()[thread.ident], []
        while frame:
            traces.append(frame.f_trace)
            frame = frame.f_back
        poller.poll()

    assert set(traces) == {None}


def test_what_others_send_is_in_no_count_of_the_block(engine):
    poller = Poller(engine)
    thread = threading.Thread(target=poller.work)
    thread.start()
    poller.begun.wait()

    with measure("others") as measured:
        ask(engine)
        poller.poll()

    thread.join()
    trace = measured.trace
    assert (trace.statement_count, trace.background_count) == (1, 1)
    assert [event.kind for event in trace.transactions] == ["begin", "rollback"]
    assert [use.is_background for use in trace.pool.uses] == [False, True]
    assert "1 statement in 1 shape" in str(measured)
    assert "1 more from tasks that ran before the block" in str(measured)
    assert list(measured.queries_frame()["is_background"]) == [False, True]


def test_a_live_count_leaves_out_what_others_send(engine):
    poller = Poller(engine)
    thread = threading.Thread(target=poller.work)
    thread.start()
    poller.begun.wait()
    counter = QueryCounter()
    try:
        ask(engine)
        poller.poll()
        assert counter.count == 1
    finally:
        counter.close()
        thread.join()


def test_what_others_send_beyond_what_is_kept_stays_apart(engine, monkeypatch):
    monkeypatch.setattr(recorder, "KEPT", 1)
    monkeypatch.setattr(recorder, "_PENDING", 0)
    poller = Poller(engine)
    thread = threading.Thread(target=poller.work)
    thread.start()
    poller.begun.wait()

    log = recorded(lambda: (ask(engine), ask(engine), poller.poll()))

    thread.join()
    assert (len(log.spans), log.background) == (1, ())
    assert [total.count for total in log.more] == [1]
    assert [total.count for total in log.more_background] == [1]
