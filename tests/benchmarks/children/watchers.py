"""Everything that can watch statements: each a context manager that says how many it saw."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy.event
from sqlalchemy.engine import Dialect, Engine

Seen = Callable[[], int | None]


@contextmanager
def as_never_watched() -> Iterator[None]:
    """Afterwards SQLAlchemy is as if nobody had ever listened: every listener and every flag is gone."""
    listen, heard = sqlalchemy.event.listen, []

    def remember(target: object, name: str, function: object, *options: object, **more: object) -> None:
        heard.append((target, name, function))
        listen(target, name, function, *options, **more)

    sqlalchemy.event.listen = remember
    try:
        yield
    finally:
        sqlalchemy.event.listen = listen
        for registration in heard:
            if sqlalchemy.event.contains(*registration):
                sqlalchemy.event.remove(*registration)
        # These stay set when the last listener goes, and cost a microsecond or two a statement.
        Engine._has_events = False
        Dialect._has_events = False


@contextmanager
def bare() -> Iterator[Seen]:
    yield lambda: None


@contextmanager
def no_op_listeners() -> Iterator[Seen]:
    """The floor: what SQLAlchemy itself takes to call two listeners."""

    def nothing(connection, cursor, statement, parameters, context, executemany):
        return None

    for name in ("before_cursor_execute", "after_cursor_execute"):
        sqlalchemy.event.listen(Engine, name, nothing)
    yield lambda: None


@contextmanager
def perfkit() -> Iterator[Seen]:
    from perfkit.capture.queries import QueryCollector

    collector = QueryCollector()
    collector.start()
    yield lambda: collector.count
    collector.stop()


@contextmanager
def after_perfkit() -> Iterator[Seen]:
    """Not watched, but a block with perfkit went before, in this process."""
    from perfkit.capture.queries import QueryCollector

    collector = QueryCollector()
    collector.start()
    collector.stop()
    yield lambda: None


@contextmanager
def queryspy() -> Iterator[Seen]:
    import queryspy

    with queryspy.record() as recorder:
        yield lambda: recorder.query_count


@contextmanager
def pytest_queryguard() -> Iterator[Seen]:
    from pytest_queryguard import listeners, record_queries

    with record_queries() as log:
        yield lambda: log.count
    listeners._installed = False


@contextmanager
def pytest_querycount() -> Iterator[Seen]:
    from pytest_querycount import Recorder, backends

    backends.install_all()
    recorder = Recorder()
    backends.push(recorder)
    yield lambda: recorder.count
    backends.pop(recorder)
    backends.sqlalchemy._installed = False


@contextmanager
def sqltap() -> Iterator[Seen]:
    import sqltap

    session = sqltap.start()
    seen: list[object] = []

    def count() -> int:
        seen.extend(session.collect())
        return len(seen)

    yield count
    session.stop()


@contextmanager
def sqlalchemy_easy_profile() -> Iterator[Seen]:
    from easy_profile import SessionProfiler

    profiler = SessionProfiler()
    profiler.begin()
    yield profiler.queries.qsize
    profiler.commit()


WATCHERS: dict[str, Callable[[], "contextmanager[Seen]"]] = {
    "bare": bare,
    "no-op listeners (the floor)": no_op_listeners,
    "perfkit": perfkit,
    "queryspy": queryspy,
    "pytest-queryguard": pytest_queryguard,
    "pytest-querycount": pytest_querycount,
    "sqltap": sqltap,
    "sqlalchemy-easy-profile": sqlalchemy_easy_profile,
    "after a block with perfkit": after_perfkit,
}
