"""Slow statements are logged with their line, once, and whatever goes wrong in the log stays there."""

import asyncio
import logging
import logging.handlers
import queue
import threading

import pytest
from sqlalchemy import ForeignKey, create_engine, event, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import StaticPool

from perfkit.capture import loops
from perfkit.session import log_slow, measure, slow_log


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list["Book"]] = relationship()


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Author(id=n, books=[Book(id=n)]) for n in range(1, 4)])
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _no_log_is_left_running():
    yield
    assert slow_log._active is None
    assert loops._finders == set()


def ask(engine, times=1):
    with engine.connect() as connection:
        for number in range(times):
            connection.execute(text("SELECT :n, 'secret'"), {"n": number}).all()


class Listed(logging.Handler):
    """Keeps the messages, and then does what a test wants."""

    def __init__(self, then=lambda: None):
        super().__init__()
        self.messages = []
        self.then = then

    def emit(self, record):
        self.messages.append(record.getMessage())
        self.then()


@pytest.fixture
def attach():
    logger, attached = logging.getLogger("perfkit.slow"), []

    def attach(handler):
        logger.addHandler(handler)
        attached.append(handler)
        return handler

    yield attach
    for handler in attached:
        logger.removeHandler(handler)


def test_a_slow_statement_is_logged_with_time_rows_shape_line_and_proved_loop(engine, caplog):
    with log_slow(0):
        ask(engine, 2)

    first, second = caplog.records
    assert (first.name, first.levelno, first.funcName) == ("perfkit.slow", logging.WARNING, "ask")
    assert first.pathname == __file__
    assert "rows unknown: SELECT ?, ? | sent from test_slow_log.py:" in first.getMessage()
    assert "loop" not in first.getMessage()
    assert second.getMessage().endswith(f"loop at test_slow_log.py:{first.lineno - 1} in ask")


def test_no_value_is_logged(engine, caplog):
    with log_slow(0), engine.connect() as connection:
        connection.exec_driver_sql("SELECT 'hunter2' AS password, 4711")
        connection.execute(text("SELECT :p"), {"p": "hunter2"})

    assert len(caplog.records) == 2
    assert "hunter2" not in caplog.text + repr([record.__dict__ for record in caplog.records])
    assert "4711" not in "".join(record.getMessage() for record in caplog.records)


def test_a_lazy_load_names_its_relationship(engine, caplog):
    with Session(engine) as session, log_slow(0):
        for author in session.scalars(select(Author)):
            assert author.books

    assert ["(loads Author.books)" in message for message in caplog.messages] == [False, True, True, True]


@pytest.mark.parametrize(("threshold_ms", "logged"), [(0, 1), (60_000, 0)])
def test_only_what_reaches_the_threshold_is_logged(engine, caplog, threshold_ms, logged):
    with log_slow(threshold_ms):
        ask(engine)

    assert len(caplog.records) == logged


def test_logger_and_level_are_the_users_to_choose(engine, caplog):
    caplog.set_level(logging.INFO)
    with log_slow(0, logger=logging.getLogger("mine"), level=logging.INFO):
        ask(engine)
    with log_slow(0, level=logging.DEBUG):
        ask(engine)

    assert [(record.name, record.levelno) for record in caplog.records] == [("mine", logging.INFO)]


def test_a_failing_statement_is_logged_with_the_name_of_its_error_and_still_fails(engine, caplog):
    with log_slow(0), engine.connect() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT * FROM nowhere"))

    (message,) = caplog.messages
    assert "failed with OperationalError: SELECT * FROM nowhere" in message


def test_statements_of_threads_and_tasks_are_logged(engine, caplog):
    async def work():
        ask(engine)

    async def main():
        await asyncio.gather(work(), work())

    with log_slow(0):
        asyncio.run(main())
        thread = threading.Thread(target=ask, args=(engine,))
        thread.start()
        thread.join()

    assert len(caplog.records) == 3


def test_a_second_log_takes_the_place_of_the_first(engine, caplog):
    first = log_slow(60_000)
    second = log_slow(0)
    ask(engine)
    first.stop()
    ask(engine)
    second.stop()
    second.stop()
    ask(engine)

    assert len(caplog.records) == 2


def test_a_block_gives_the_former_log_back(engine, caplog):
    outer = log_slow(0)
    with log_slow(60_000):
        ask(engine)
    assert caplog.records == []
    ask(engine)
    outer.stop()

    assert len(caplog.records) == 1


def test_a_log_stopped_within_a_block_of_another_stays_stopped(engine, caplog):
    outer = log_slow(0)
    with log_slow(60_000):
        outer.stop()
    ask(engine)

    assert caplog.records == []


def test_a_block_that_fails_ends_the_log(engine):
    with pytest.raises(RuntimeError), log_slow(0):
        raise RuntimeError

    assert slow_log._active is None


def test_starting_again_and_again_keeps_nothing_of_the_former_logs(engine):
    logs = [log_slow(0) for _ in range(5)]
    logs[-1].stop()

    assert [log._former for log in logs[:-1]] == [None] * 4


def test_a_handler_that_raises_does_not_reach_the_program(engine, attach):
    def fail():
        raise RuntimeError("disk full")

    handler = attach(Listed(fail))
    with log_slow(0):
        ask(engine)

    assert len(handler.messages) == 1


def test_a_handler_that_sends_statements_is_no_endless_loop(engine, attach):
    handler = attach(Listed(lambda: ask(engine)))
    with log_slow(0):
        ask(engine, 2)

    assert len(handler.messages) == 2


def test_a_handler_behind_a_queue_that_sends_statements_is_no_endless_loop(engine, attach):
    written = Listed(lambda: ask(engine))
    records = queue.Queue()
    attach(logging.handlers.QueueHandler(records))
    listener = logging.handlers.QueueListener(records, written)
    listener.start()
    with log_slow(0):
        ask(engine)
        listener.stop()  # waits until the queue is empty

    assert len(written.messages) == 1


def test_a_handler_that_starts_a_task_is_no_endless_loop(engine, attach):
    tasks = []

    async def write():
        await asyncio.sleep(0)
        ask(engine)

    handler = attach(Listed(lambda: tasks.append(asyncio.get_running_loop().create_task(write()))))

    async def main():
        ask(engine)
        while unfinished := [task for task in tasks if not task.done()]:
            await asyncio.gather(*unfinished)

    with log_slow(0):
        asyncio.run(main())

    assert len(handler.messages) == 1


def test_perfkit_does_not_log_its_own_statements(engine, caplog):
    with log_slow(0), measure(plans=True):
        ask(engine)

    assert len(caplog.records) == 1


def test_a_log_and_a_measured_block_see_the_same_statements(engine, caplog):
    with measure() as m, log_slow(0):
        ask(engine, 3)

    assert len(m.trace.queries) == len(caplog.records) == 3


def test_what_is_learned_of_loops_is_dropped_in_time(engine, caplog, monkeypatch):
    monkeypatch.setattr(slow_log, "_FINDER_LIFE", 3)
    with log_slow(0) as log:
        ask(engine, 10)
        assert log._placed <= 3

    loops_named = ["loop at" in message for message in caplog.messages]
    assert loops_named == [False, True, True, False, True, True, False, True, True, False]


def test_a_listener_of_the_users_that_raises_is_theirs(engine, caplog):
    def refuse(*_):
        raise RuntimeError("not today")

    event.listen(engine, "after_cursor_execute", refuse)
    with log_slow(0), pytest.raises(RuntimeError, match="not today"):
        ask(engine)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"threshold_ms": -1}, ValueError),
        ({"threshold_ms": float("nan")}, ValueError),
        ({"threshold_ms": "100"}, TypeError),
        ({"threshold_ms": True}, TypeError),
        ({"logger": 3}, TypeError),
        ({"level": "WARNING"}, TypeError),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_started(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        log_slow(**arguments)
