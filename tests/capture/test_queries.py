"""Statements are counted exactly, on real databases, against oracles that know nothing of our hooks."""

import asyncio
import functools
import gc
import runpy
import sqlite3
import sys
import sysconfig
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import jinja2
import pytest
from sqlalchemy import ForeignKey, create_engine, event, func, insert, select, text
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    immediateload,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.pool import Pool, StaticPool

from perfkit.capture.queries import QueryCollector
from perfkit.session import measure


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


@pytest.fixture
def engine():
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Author(id=n, books=[Book(id=2 * n), Book(id=2 * n + 1)]) for n in range(1, 6)])
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture
def sent(engine):
    """What SQLite itself says it was asked: the independent oracle."""
    statements: list[str] = []
    with engine.connect() as connection:
        raw: sqlite3.Connection = connection.connection.dbapi_connection
    raw.set_trace_callback(statements.append)
    yield statements
    raw.set_trace_callback(None)


def recorded(work, **options):
    collector = QueryCollector(**options)
    collector.start()
    try:
        work()
    finally:
        log = collector.stop()
    return log


def data_statements(statements):
    return [s for s in statements if s.split()[0] not in ("BEGIN", "COMMIT", "ROLLBACK")]


def helper(author):
    return len(author.books)


def test_every_statement_is_counted_as_sqlite_counts_it(engine, sent):
    def work():
        with Session(engine) as session:
            for author in session.scalars(select(Author)):
                helper(author)
            session.execute(insert(Author), [{"id": 100 + n} for n in range(3)])
            session.connection().exec_driver_sql("SELECT 42")
            session.commit()

    log = recorded(work)

    # SQLite is asked once for each set of an executemany, which SQLAlchemy sends as one statement.
    assert sum(span.batch_size for span in log.spans) == len(data_statements(sent))
    assert [span.operation_name for span in log.spans].count("SELECT") == 7


def test_an_engine_connection_and_session_made_before_the_block_are_seen(engine):
    connection = engine.connect()
    session = Session(engine)

    log = recorded(lambda: (connection.execute(text("SELECT 1")), session.execute(text("SELECT 2"))))

    connection.close()
    session.close()
    assert [span.query_text for span in log.spans] == ["SELECT ?", "SELECT ?"]


def test_nothing_is_counted_before_or_after_the_block(engine):
    collector = QueryCollector()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        collector.start()
        connection.execute(text("SELECT 2"))
        log = collector.stop()
        connection.execute(text("SELECT 3"))

    assert len(log.spans) == collector.count == 1


def test_a_lazy_load_names_its_relationship_the_helper_and_the_loop(engine):
    def work():
        with Session(engine) as session:
            for author in session.scalars(select(Author)):
                helper(author)

    first, *lazy = recorded(work).spans

    assert first.relationship is None
    assert first.loop_site is None
    assert {span.relationship for span in lazy} == {"Author.books"}
    assert (first.entity, *{span.entity for span in lazy}) == ("Author", "Book")
    assert (first.to_many, *{span.to_many for span in lazy}) == (None, True)
    assert {span.call_site.function_name for span in lazy} == {"helper"}
    assert {span.loop_site.source_text for span in lazy} == {"for author in session.scalars(select(Author)):"}
    assert {span.loop_site.function_name for span in lazy} == {"work"}
    assert len({span.parameter_fingerprint for span in lazy}) == 5


def test_a_relationship_to_one_object_is_told_as_such(engine):
    def work():
        with Session(engine) as session:
            assert session.get(Book, 2).author.id == 1

    assert [(span.relationship, span.to_many) for span in recorded(work).spans][1:] == [
        ("Book.author", False)
    ]


ENTITIES = {
    "objects": (select(Author), "Author"),
    "objects by an alias": (select(aliased(Book)), "aliased(Book)"),
    "a column": (select(Author.id), None),
    "objects of two classes": (select(Author, Book).join(Author.books), "Author, Book"),
    "objects and a number": (select(Author, func.count()).group_by(Author.id), "Author"),
    "a table": (select(Author.__table__), None),
    "text": (text("SELECT * FROM authors"), None),
}


@pytest.mark.parametrize(("statement", "entity"), ENTITIES.values(), ids=ENTITIES)
def test_a_statement_names_the_class_whose_objects_it_loads(engine, statement, entity):
    def work():
        with Session(engine) as session:
            session.execute(statement).all()

    assert [span.entity for span in recorded(work).spans] == [entity]


CALLED_BY_A_BUILT_IN = """
def work(session, authors):
    def books(author):
        for book in author.books:
            yield book.id

    return {author.id: list(books(author)) for author in session.scalars(authors)}
"""


@pytest.mark.parametrize("number", range(6, 12))
def test_a_loop_is_one_loop_also_when_python_has_learnt_to_make_its_calls_faster(engine, tmp_path, number):
    module = tmp_path / "fresh.py"  # code that has never run
    module.write_text(CALLED_BY_A_BUILT_IN, encoding="utf-8")
    fresh = runpy.run_path(str(module))
    with Session(engine) as session:
        session.add_all(Author(id=100 + n) for n in range(number - 5))
        session.commit()

    def work():
        with Session(engine) as session:
            fresh["work"](session, select(Author))

    lazy = [span for span in recorded(work).spans if span.relationship]

    assert len(lazy) == number
    assert {span.loop_id for span in lazy} == {lazy[0].loop_id}
    assert lazy[0].loop_id is not None


TEMPLATE = """<h1>Authors</h1>
<ul>
{% for author in authors %}
  <li>
  {% for book in author.books %} {{ book.id }} {% endfor %}
  </li>
{% endfor %}
</ul>
"""


def test_lines_of_a_template_are_those_of_its_text(engine, tmp_path):
    (tmp_path / "authors.html").write_text(TEMPLATE, encoding="utf-8")
    page = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path)).get_template("authors.html")

    def work():
        with Session(engine) as session:
            page.render(authors=session.scalars(select(Author)).all())

    lazy = [span for span in recorded(work).spans if span.relationship]

    assert {span.call_site.line_number for span in lazy} == {5}
    assert {span.call_site.source_text[:8] for span in lazy} == {"{% for b"}
    assert {span.loop_site.label for span in lazy} == {"authors.html:5 in root"}


class Answer:
    """Whose text is asked for."""

    def __init__(self, session, number):
        self.session, self.number = session, number

    def __str__(self):
        return str(self.session.scalar(select(Author.id).where(Author.id == self.number)))


def test_two_values_in_one_text_are_two_places(engine):
    def work():
        with Session(engine) as session:
            first, second = Answer(session, 1), Answer(session, 2)
            return f"{first}{second}"

    assert [span.loop_id for span in recorded(work).spans] == [None, None]


def test_no_object_of_the_program_is_kept_by_a_statement_that_sqlalchemy_does_not_keep(engine):
    def work():
        author = Author(id=77)
        gone = weakref.ref(author)
        with Session(engine.execution_options(compiled_cache=None)) as session:
            session.execute(select(Book).where(Book.author == author)).all()
        del author
        gc.collect()
        return gone()

    with measure("block"):
        assert work() is None


LIBRARY = """
def pages(session, statement, number):
    for _ in range(number):
        session.scalars(statement).all()
"""


def test_a_library_that_asks_again_and_again_by_itself_is_no_loop_of_the_users(engine):
    library = {}
    exec(compile(LIBRARY, f"{sysconfig.get_path('purelib')}/some_library.py", "exec"), library)

    def work():
        with Session(engine) as session:
            library["pages"](session, select(Author), 5)

    spans = recorded(work).spans

    assert {span.entity for span in spans} == {"Author"}
    assert {span.loop_id for span in spans} == {None}


def test_eager_loading_in_a_statement_of_its_own_is_none_of_the_programs_queries(engine):
    def work():
        with Session(engine) as session:
            session.scalars(select(Author).options(selectinload(Author.books))).all()

    assert [span.entity for span in recorded(work).spans] == ["Author", None]


def test_a_statement_that_fails_is_counted_with_its_error_and_the_error_reaches_the_user(engine):
    def work():
        with engine.connect() as connection, pytest.raises(OperationalError):
            connection.execute(text("SELECT * FROM no_such_table"))

    (span,) = recorded(work).spans

    assert (span.status, span.error_type) == ("error", "OperationalError")


def test_transactions_are_counted_beside_the_statements(engine):
    def work():
        with Session(engine) as session:
            session.execute(text("SELECT 1"))
            session.commit()
            session.execute(text("SELECT 2"))
            session.rollback()

    log = recorded(work)

    assert [event.kind for event in log.transactions] == ["begin", "commit", "begin", "rollback"]
    assert len({event.connection_id for event in log.transactions}) == 1


def test_perfkits_own_statements_are_not_counted(engine):
    def work():
        with engine.connect().execution_options(perfkit_internal=True) as connection:
            connection.execute(text("SELECT 1"))
            connection.rollback()

    log = recorded(work)

    assert (log.spans, log.transactions) == ((), ())


def test_threads_are_counted_exactly_and_told_apart(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/t.db")
    gate = threading.Barrier(4)

    def ask(number):
        with engine.connect() as connection:
            gate.wait()
            connection.execute(text("SELECT :n"), {"n": number})

    def work():
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))

    log = recorded(work)

    engine.dispose()
    assert len(log.spans) == 4
    assert len({span.thread_id for span in log.spans}) == 4
    assert {span.loop_id for span in log.spans} == {None}


def test_tasks_are_told_apart_and_are_no_loop(engine):
    async def ask(number):
        with engine.connect() as connection:
            connection.execute(text("SELECT :n"), {"n": number})

    async def main():
        await asyncio.gather(*(ask(number) for number in range(3)))

    log = recorded(lambda: asyncio.run(main()))

    assert len({span.task_id for span in log.spans}) == 3
    assert {span.loop_id for span in log.spans} == {None}


def test_a_loop_in_a_coroutine_is_proved(engine):
    async def main():
        with engine.connect() as connection:
            for number in range(3):
                await asyncio.wait_for(asyncio.sleep(0), 5)
                connection.execute(text("SELECT :n"), {"n": number})

    log = recorded(lambda: asyncio.run(main()))

    assert {span.loop_site.source_text for span in log.spans} == {"for number in range(3):"}


def test_nested_blocks_each_count_their_own(engine):
    inner = QueryCollector()

    def work():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            inner.start()
            connection.execute(text("SELECT 2"))
            inner.stop()

    assert (len(recorded(work).spans), inner.count) == (2, 1)


def test_a_listener_of_the_users_that_raises_still_raises(engine):
    def refuse(*arguments):
        raise PermissionError("not now")

    def work():
        event.listen(engine, "before_cursor_execute", refuse)
        with pytest.raises(PermissionError), engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        event.remove(engine, "before_cursor_execute", refuse)

    assert recorded(work).spans == ()  # it was never sent


def test_an_object_that_weakly_cached_rows_depend_on_is_not_kept_alive(engine):
    """The identity map forgets what nobody holds: perfkit must not hold it, or fewer statements are sent."""

    def title(session):
        author = session.get(Author, 1)
        return author.id

    def work():
        with Session(engine) as session:
            for _ in range(4):
                title(session)

    assert len(recorded(work).spans) == 4


def test_samples_keep_the_first_statement_of_each_shape_only_when_asked(engine):
    def work():
        with engine.connect() as connection:
            for number in (7, 8):
                connection.execute(text("SELECT :n"), {"n": number})

    (sample,) = recorded(work, keep_samples=True).samples

    assert (sample.statement, tuple(sample.parameters), sample.executions) == ("SELECT ?", (7,), 2)
    assert recorded(work).samples == ()


LOOP_FREE = {
    "one statement": lambda s: s.scalars(select(Author)).all(),
    "eager loading by IN": lambda s: s.scalars(select(Author).options(selectinload(Author.books))).all(),
    "eager loading by join": lambda s: (
        s.scalars(select(Author).options(joinedload(Author.books))).unique().all()
    ),
    "eager loading one by one inside SQLAlchemy": lambda s: s.scalars(
        select(Author).options(immediateload(Author.books))
    ).all(),
    "two deliberate lines": lambda s: (
        s.execute(text("SELECT :n"), {"n": 1}),
        s.execute(text("SELECT :n"), {"n": 2}),
    ),
    "a flush of many rows": lambda s: (s.add_all([Book(author_id=1) for _ in range(9)]), s.flush()),
}
LOOPS = {
    "for": lambda s: [helper(author) for author in s.scalars(select(Author)).all()],
    "map": lambda s: list(map(helper, s.scalars(select(Author)).all())),
    "generator": lambda s: sum(helper(author) for author in s.scalars(select(Author)).all()),
    "sorted by a key": lambda s: sorted(s.scalars(select(Author)).all(), key=helper),
    "a callback within a library": lambda s: (
        __import__("pandas").Series([1, 2, 3]).apply(lambda n: s.execute(text("SELECT :n"), {"n": n}))
    ),
}


@pytest.mark.parametrize("work", LOOP_FREE.values(), ids=LOOP_FREE)
def test_no_loop_is_claimed_where_there_is_none(engine, work):
    def block():
        with Session(engine) as session:
            work(session)

    assert {span.loop_id for span in recorded(block).spans} == {None}


@pytest.mark.parametrize("work", LOOPS.values(), ids=LOOPS)
def test_a_loop_is_proved_in_whatever_form(engine, work):
    def block():
        with Session(engine) as session:
            work(session)

    looped = [span for span in recorded(block).spans if span.loop_id is not None]

    assert len(looped) >= 3
    assert {span.loop_site.file_path for span in looped} == {__file__}


def test_an_inner_and_an_outer_loop_keep_their_statements(engine):
    def inner(connection):
        for number in range(3):
            connection.execute(text("SELECT :n"), {"n": number})

    def work():
        with engine.connect() as connection:
            for _ in range(4):
                inner(connection)

    spans = recorded(work).spans

    assert len(spans) == 12
    assert {span.loop_site.source_text for span in spans} == {"for number in range(3):"}


def test_a_walk_over_a_tree_is_a_loop(engine):
    tree = {"a": {"b": {}, "c": {}}, "d": {"e": {}}}

    def walk(connection, nodes):
        for name, children in nodes.items():
            connection.execute(text("SELECT :n"), {"n": name})
            walk(connection, children)

    def work():
        with engine.connect() as connection:
            walk(connection, tree)

    spans = recorded(work).spans

    assert len(spans) == 5
    assert {span.loop_site.source_text for span in spans if span.loop_site} == {
        "for name, children in nodes.items():"
    }


def ask_for(connection, number):
    connection.execute(text("SELECT :n"), {"n": number})


def step(connection, number):
    ask_for(connection, number)
    if number:
        step(connection, number - 1)


def to_and_fro(connection, number):
    ask_for(connection, number)
    if number:
        fro(connection, number)


def fro(connection, number):
    to_and_fro(connection, number - 1)


def wrapped(work):
    def call(*arguments):
        ask_for(*arguments)
        return work(*arguments)

    return call


@pytest.mark.parametrize(
    ("work", "line"), [(step, "step(connection, number - 1)"), (to_and_fro, "fro(connection, number)")]
)
def test_a_function_that_calls_itself_is_a_loop(engine, work, line):
    def block():
        with engine.connect() as connection:
            work(connection, 4)

    spans = recorded(block).spans

    assert len(spans) == 5
    assert {span.call_site.function_name for span in spans} == {"ask_for"}
    assert {span.loop_site.source_text for span in spans} == {line}
    assert len({span.loop_id for span in spans}) == 1


def test_a_function_that_calls_itself_for_the_second_of_two_lines_is_no_loop(engine):
    def work(connection, number):
        if number:
            ask_for(connection, number)
            work(connection, number - 1)
        else:
            connection.execute(text("SELECT :n"), {"n": number})

    def block():
        with engine.connect() as connection:
            work(connection, 1)

    assert {span.loop_id for span in recorded(block).spans} == {None}


def test_two_functions_behind_one_decorator_are_no_recursion(engine):
    inner = wrapped(lambda connection, number: None)
    outer = wrapped(lambda connection, number: inner(connection, number + 1))

    def block():
        with engine.connect() as connection:
            outer(connection, 1)

    spans = recorded(block).spans

    assert len(spans) == 2
    assert {span.loop_id for span in spans} == {None}


def test_a_function_within_another_that_calls_itself_is_a_loop(engine):
    def inner(connection, number):
        ask_for(connection, number)
        if number:
            inner(connection, number - 1)

    def block():
        with engine.connect() as connection:
            inner(connection, 2)

    assert {span.loop_site.source_text for span in recorded(block).spans} == {"inner(connection, number - 1)"}


def test_a_recursion_leaves_no_mark(engine):
    def block():
        with engine.connect() as connection:
            step(connection, 3)

    log = recorded(block)

    assert log.spans
    frame, marks = sys._getframe(), []
    while frame:
        marks.append(frame.f_trace)
        frame = frame.f_back
    assert set(marks) == {None}


def test_no_mark_is_left_on_a_frame_that_goes_on_running(engine):
    with engine.connect() as connection:
        recorded(lambda: [connection.execute(text("SELECT :n"), {"n": n}) for n in range(3)])

    frame, marked = sys._getframe(), []
    while frame:
        marked.append(frame.f_trace)
        frame = frame.f_back
    assert set(marked) == {None}


def test_nobody_listens_to_engines_for_us_so_that_no_statement_pays_for_events(engine):
    """One listener on `Engine` makes SQLAlchemy prepare every event of every statement, and it stays so."""

    def heard():
        return Engine._has_events, Dialect._has_events, engine._has_events, engine.dialect._has_events

    before, collector = heard(), QueryCollector()
    collector.start()
    during = heard()
    collector.stop()

    assert before == during == heard()


def test_the_methods_that_are_wrapped_are_put_back(engine):
    owners = (Connection, Engine, Pool, DefaultDialect, type(engine.dialect))
    before, collector = [dict(vars(owner)) for owner in owners], QueryCollector()
    collector.start()
    during = [dict(vars(owner)) for owner in owners]
    collector.stop()

    assert during != before
    assert [dict(vars(owner)) for owner in owners] == before


def loop_line(work, engine):
    """The source of the loop line that is named for the looped statements of the work."""

    def block():
        with engine.connect() as connection:
            work(connection)

    (line,) = {span.loop_site.source_text for span in recorded(block).spans if span.loop_site}
    return line


def test_what_an_inner_loop_iterates_over_belongs_to_the_outer_loop(engine):
    def work(connection):
        for number in range(3):
            for _ in connection.execute(text("SELECT :n"), {"n": number}):
                pass

    assert loop_line(work, engine) == "for number in range(3):"


def test_what_a_comprehension_iterates_over_belongs_to_the_loop_around_it(engine):
    def work(connection):
        for number in range(3):
            [row for row in connection.execute(text("SELECT :n"), {"n": number})]  # noqa: C416

    assert loop_line(work, engine) == "for number in range(3):"


def test_what_a_comprehension_computes_belongs_to_the_comprehension(engine):
    def work(connection):
        for _ in range(1):
            [
                connection.execute(text("SELECT :n"), {"n": number})
                for number in range(3)
            ]  # fmt: skip

    assert loop_line(work, engine) == "["


def test_the_condition_of_a_while_is_in_its_loop(engine):
    def work(connection):
        numbers = [1, 2, 3]
        while connection.scalar(text("SELECT :n"), {"n": len(numbers)}):
            numbers.pop()

    assert loop_line(work, engine).startswith("while connection.scalar")


@pytest.fixture
def few_kept(monkeypatch):
    monkeypatch.setattr("perfkit.capture.recorder.KEPT", 50)
    monkeypatch.setattr("perfkit.capture.recorder._PENDING", 20)


def test_beyond_the_bound_statements_are_added_up_and_counted_exactly(engine, sent, few_kept):
    def work():
        with engine.connect() as connection:
            for number in range(500):
                connection.execute(text("SELECT :n"), {"n": number}).all()
            with pytest.raises(OperationalError):
                connection.execute(text("SELECT * FROM no_such_table"))

    log = recorded(work)

    assert len(log.spans) + sum(total.count for total in log.more) == 501
    assert len(data_statements(sent)) == 500
    assert 50 <= len(log.spans) <= 72
    assert {total.loop_site.source_text for total in log.more if total.loop_site} == {
        "for number in range(500):"
    }
    assert (
        sum(span.returned_rows or 0 for span in log.spans) + sum(t.returned_rows or 0 for t in log.more)
        == 500
    )
    assert "501 statements were sent" in log.notes[0]


def test_beyond_the_bound_threads_are_counted_exactly_too(tmp_path, few_kept):
    engine = create_engine(f"sqlite:///{tmp_path}/t.db")

    def ask(number):
        with engine.connect() as connection:
            for _ in range(100):
                connection.execute(text("SELECT :n"), {"n": number})

    def work():
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(8)))

    log = recorded(work)

    engine.dispose()
    begins = sum(event.kind == "begin" for event in log.transactions) + log.more_transactions.begins
    assert len(log.spans) + sum(total.count for total in log.more) == 800
    assert begins == 8


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_connection_that_is_opened_in_nested_blocks_is_counted_once_then_and_later(tmp_path, blocks):
    engine = create_engine(f"sqlite:///{tmp_path}/t.db")

    def work():
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    nested = work
    counts = []
    for _ in range(blocks - 1):
        nested = functools.partial(lambda inner: counts.append(len(recorded(inner).spans)), nested)
    counts.append(len(recorded(nested).spans))
    counts.append(len(recorded(work).spans))

    engine.dispose()
    assert counts == [1] * (blocks + 1)


BUSY = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
          SELECT i FROM n WHERE i = 1 OR i = 299999"""


@pytest.mark.parametrize("is_raw", [False, True])
def test_sqlite_works_while_its_rows_are_read_and_that_is_time_in_the_database(engine, is_raw):
    with measure() as measured:
        if is_raw:
            connection = sqlite3.connect(":memory:")
            rows = connection.execute(BUSY).fetchall()
            connection.close()
        else:
            with engine.connect() as connection:
                rows = connection.execute(text(BUSY)).all()

    assert rows == [(1,), (299999,)]
    assert measured.trace.database_ms > 0.5 * measured.trace.duration_ms
