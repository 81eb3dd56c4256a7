"""The rules about statements on real programs, measured as a person would measure them."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import ForeignKey, create_engine, delete, func, insert, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    immediateload,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    undefer,
)

from perfkit.model.finding import Finding
from perfkit.model.trace import Trace
from perfkit.rules import diagnose
from perfkit.session.measuring import measure


class Base(DeclarativeBase):
    pass


class Country(Base):
    __tablename__ = "countries"
    id: Mapped[int] = mapped_column(primary_key=True)


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    country_id: Mapped[int] = mapped_column(ForeignKey("countries.id"))
    bio: Mapped[str] = mapped_column(default="", deferred=True)
    seen: Mapped[int] = mapped_column(default=0)
    country: Mapped[Country] = relationship()
    books: Mapped[list["Book"]] = relationship(back_populates="author")
    prizes: Mapped[list["Prize"]] = relationship()


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")
    chapters: Mapped[list["Chapter"]] = relationship()


class Chapter(Base):
    __tablename__ = "chapters"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))


class Prize(Base):
    __tablename__ = "prizes"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


AUTHORS, EACH = 24, 5


@pytest.fixture
def session(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/library.db")
    Base.metadata.create_all(engine)
    ids = range(AUTHORS * EACH)
    with engine.begin() as connection:
        connection.execute(insert(Country), [{"id": n} for n in range(AUTHORS)])
        connection.execute(insert(Author), [{"id": n, "country_id": n} for n in range(AUTHORS)])
        connection.execute(insert(Book), [{"id": n, "author_id": n // EACH} for n in ids])
        connection.execute(insert(Prize), [{"id": n, "author_id": n // EACH} for n in ids])
        connection.execute(insert(Chapter), [{"id": n, "book_id": n // EACH} for n in range(len(ids) * EACH)])
    with Session(engine) as session:
        yield session
    engine.dispose()


Program = Callable[[Session], object]


def traced(work: Callable[..., object], *arguments: object) -> Trace:
    with measure("program") as m:
        work(*arguments)
    return m.trace


def findings(work: Callable[..., object], *arguments: object) -> list[Finding]:
    return list(diagnose(traced(work, *arguments)).findings)


def loop_lines(found: list[Finding]) -> list[str]:
    return [finding.loop.source_text if finding.loop else "" for finding in found]


def lazy_load(session):
    for author in session.scalars(select(Author)):
        len(author.books)


def lookups(session):
    for number in range(9):
        session.get(Author, number)


def same_row(session):
    for _ in range(9):
        session.execute(select(Book.id).where(Book.id == 1)).all()


def immediate(session):
    session.scalars(select(Author).options(immediateload(Author.books))).all()


def deferred(session):
    for author in session.scalars(select(Author)):
        assert author.bio == ""


def expired(session):
    authors = session.scalars(select(Author)).all()
    session.commit()
    for author in authors:
        assert author.seen == 0


def two_relationships(session):
    for author in session.scalars(select(Author)):
        assert author.country is not None
        assert author.books


def chained_relationships(session):
    for book in session.scalars(select(Book)):
        assert book.author.country is not None


def two_lookups(session):
    for number in range(9):
        session.execute(select(Book.id).where(Book.author_id == number)).all()
        session.execute(select(Prize.id).where(Prize.author_id == number)).all()


def write_rows(session):
    for number in range(20):
        session.execute(insert(Prize).values(id=1000 + number, author_id=1))


def update_rows(session):
    for number in range(20):
        session.execute(update(Author).where(Author.id == number).values(seen=1))


def product(session):
    session.scalars(
        select(Author).options(joinedload(Author.books), joinedload(Author.prizes))
    ).unique().all()


def forgotten_join(session):
    session.execute(text("SELECT a.id FROM authors AS a, books AS b WHERE b.author_id >= 0")).all()


def commit_rows(session):
    for number in range(20):
        session.add(Prize(id=2000 + number, author_id=1))
        session.commit()


FIRING = [
    (lazy_load, {"n-plus-one"}, "for author in session.scalars(select(Author)):", AUTHORS),
    (lookups, {"n-plus-one"}, "for number in range(9):", 9),
    (same_row, {"duplicate-query"}, "for _ in range(9):", 9),
    (immediate, {"eager-n-plus-one"}, "", AUTHORS),
    (deferred, {"column-load"}, "for author in session.scalars(select(Author)):", AUTHORS),
    (expired, {"column-load"}, "for author in authors:", AUTHORS),
    (two_relationships, {"m-plus-n"}, "for author in session.scalars(select(Author)):", 2 * AUTHORS),
    (two_lookups, {"m-plus-n"}, "for number in range(9):", 18),
    (chained_relationships, {"m-plus-n"}, "for book in session.scalars(select(Book)):", 2 * AUTHORS),
    (write_rows, {"write-loop"}, "for number in range(20):", 20),
    (update_rows, {"write-loop"}, "for number in range(20):", 20),
    (product, {"cartesian-product"}, "", 1),
    (forgotten_join, {"cartesian-product"}, "", 1),
]


@pytest.mark.parametrize(
    ("work", "rules", "loop", "statements"), FIRING, ids=[case[0].__name__ for case in FIRING]
)
def test_a_slow_program_is_found_with_its_loop(session, work, rules, loop, statements):
    found = findings(work, session)

    assert {finding.rule for finding in found} == rules
    assert loop_lines(found) == [loop]
    assert len(found[0].offenders) == statements


def eager(session):
    options = joinedload(Author.country), selectinload(Author.books), undefer(Author.bio)
    for author in session.scalars(select(Author).options(*options)):
        assert author.country is not None
        assert author.bio == ""
        assert author.books


def eager_chain(session):
    books = joinedload(Author.books).joinedload(Book.chapters)
    session.scalars(select(Author).options(books)).unique().all()


def one_joined_one_selected(session):
    options = joinedload(Author.books), selectinload(Author.prizes)
    session.scalars(select(Author).options(*options)).unique().all()


def pages_by_offset(session):
    for page in range(6):
        pages = select(Author).order_by(Author.id).limit(4).offset(4 * page)
        session.scalars(pages.options(selectinload(Author.books))).all()


def pages_by_key(session):
    last = -1
    for _ in range(6):
        last = session.scalars(select(Author.id).where(Author.id > last).order_by(Author.id).limit(4)).all()[
            -1
        ]


def one_flush(session):
    session.add_all([Prize(id=3000 + number, author_id=1) for number in range(50)])
    session.commit()


def bulk_insert(session):
    session.execute(insert(Prize), [{"id": 4000 + number, "author_id": 1} for number in range(50)])
    session.commit()


def commit_chunks(session):
    for start in range(0, 200, 10):
        session.execute(insert(Prize), [{"id": 5000 + start + n, "author_id": 1} for n in range(10)])
        session.commit()


def delete_chunks(session):
    for _ in range(12):
        chunk = select(Prize.id).order_by(Prize.id).limit(5)
        session.execute(delete(Prize).where(Prize.id.in_(chunk)).execution_options(synchronize_session=False))
        session.commit()


def two_lines(session):
    session.get(Author, 1)
    session.get(Author, 2)


def held_objects(session):
    authors = session.scalars(select(Author)).all()
    for book in session.scalars(select(Book)):
        assert book.author in authors


def read_after_write(session):
    for number in range(9):
        session.execute(select(Book.id).where(Book.id == 1)).all()
        session.execute(update(Author).where(Author.id == 1).values(seen=number))


def joined_table(session):
    session.execute(text("SELECT b.id FROM books b, chapters c WHERE c.book_id = b.id")).all()
    session.execute(text("SELECT a.id FROM authors AS a CROSS JOIN books AS b")).all()


SILENT = [
    eager, eager_chain, one_joined_one_selected, pages_by_offset, pages_by_key, one_flush, bulk_insert,
    commit_chunks, two_lines, held_objects, joined_table,
]  # fmt: skip


@pytest.mark.parametrize("work", SILENT, ids=[work.__name__ for work in SILENT])
def test_a_program_that_does_well_is_left_in_peace(session, work):
    assert findings(work, session) == []


def rate_of(session, number):
    return session.execute(select(Book.author_id).where(Book.id == number)).scalar()


def test_questions_that_one_line_asks_again_are_one_finding(session):
    def work():
        for number in (1, 2, 3, 1, 2, 3, 1):
            rate_of(session, number)

    (found,) = findings(work)

    assert found.rule == "n-plus-one"  # seven statements that differ are the better description

    def lines():
        rate_of(session, 1), rate_of(session, 2), rate_of(session, 1), rate_of(session, 2)

    (found,) = findings(lines)

    assert found.message.startswith("4 times the same statement, 2 of them with parameters that were")
    assert (found.rule, len(found.offenders), found.round_trips) == ("duplicate-query", 4, 2)


def test_a_report_that_is_made_twice_is_one_finding(session):
    def report():
        for column in (Book.id, Book.author_id, Author.id, Prize.id, Prize.author_id):
            session.execute(select(column).where(column == 1)).all()

    (found,) = findings(lambda: (report(), report()))

    assert found.message.startswith("5 statements with the same parameters, 2 times each: a part of")
    assert (found.round_trips, len(found.offenders)) == (5, 10)


def test_a_count_for_each_row_is_answered_by_grouping(session):
    def work():
        for number in range(1, 9):
            session.scalar(select(func.count()).select_from(Book).where(Book.author_id == number))

    (found,) = findings(work)

    assert "grouped by books.author_id" in found.advice
    assert "func.count()).where(Model.author_id.in_(keys)).group_by(Model.author_id)" in found.advice
    assert "selectinload" not in found.advice


def test_the_other_conditions_of_a_count_are_not_left_out_of_the_advice(session):
    def work():
        for number in range(1, 9):
            wanted = select(func.count()).select_from(Book).where(Book.author_id == number, Book.id < 1000)
            session.scalar(wanted)

    (found,) = findings(work)

    assert ".where(Model.author_id.in_(keys), ...).group_by(Model.author_id)" in found.advice
    assert "its other conditions" in found.advice


def test_a_lookup_by_key_names_the_model_where_the_orm_tells_it(session):
    (found,) = findings(lookups, session)

    assert "-- SQLAlchemy: .where(Author.id.in_(keys))" in found.advice


ONE_EACH = "        -- sqlite3: one question mark for each key"
RAW = {
    "SELECT name FROM t WHERE id = ?": "... WHERE id IN (?, ?, ...)",
    "SELECT count(*) FROM t WHERE id = ?": "SELECT id, count(*) ... WHERE id IN (?, ?, ...) GROUP BY id",
    "SELECT count(*) FROM t WHERE id = ? AND name > ''": (
        "SELECT id, count(*) ... WHERE id IN (?, ?, ...) AND ... GROUP BY id"
    ),
}


@pytest.mark.parametrize(("statement", "answer"), RAW.items())
def test_what_a_driver_sends_is_answered_in_its_own_words(statement, answer):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (id INTEGER, name TEXT)")

        def work():
            for number in range(9):
                connection.execute(statement, (number,)).fetchall()

        (found,) = findings(work)

    assert found.advice.endswith(answer + ONE_EACH)


def test_a_recursion_is_answered_by_a_recursive_query(session):
    def step(number):
        session.execute(select(Book.author_id).where(Book.id == number)).scalar()
        return step(number - 1) if number else None

    (found,) = findings(lambda: step(5))

    assert "a function that calls itself sends one a row" in found.message
    assert "WITH RECURSIVE" in found.advice
    assert loop_lines([found]) == ["return step(number - 1) if number else None"]


def test_a_row_read_again_after_each_write_is_no_duplicate(session):
    assert [finding.rule for finding in findings(read_after_write, session)] == ["write-loop"]


def test_a_commit_for_each_row_is_found_beside_the_single_writes(session):
    found = {finding.rule: finding for finding in findings(commit_rows, session)}

    assert set(found) == {"commit-per-row", "write-loop"}
    assert loop_lines(list(found.values())) == ["for number in range(20):"] * 2
    assert found["commit-per-row"].round_trips == 38
    assert found["commit-per-row"].saving_ms > 0


def test_a_commit_for_each_chunk_is_not_taken_for_one_a_row(session):
    assert "commit-per-row" not in {finding.rule for finding in findings(delete_chunks, session)}


def few_keys(session):
    for number in range(9):
        session.scalars(select(Book).where(Book.id.in_([number, number + 1, number + 2]))).all()


def many_keys(session):
    for start in range(0, AUTHORS * EACH, 20):
        session.scalars(select(Book).where(Book.id.in_(range(start, start + 20)))).all()


def eager_for_each(session):
    for number in range(9):
        session.get(Author, number, options=[selectinload(Author.books)])


def counted(trace: Trace, values: int) -> Trace:
    """The trace as it is once the number of bound values is recorded as well."""
    return replace(trace, queries=tuple(replace(s, parameter_count=values) for s in trace.queries or ()))


@pytest.mark.parametrize(
    ("work", "values", "rules"),
    [(few_keys, 3, ["select-in-loop"]), (many_keys, 20, []), (eager_for_each, 1, ["n-plus-one"])],
)
def test_a_loop_that_asks_for_a_few_keys_at_a_time_is_found(session, work, values, rules):
    found = diagnose(counted(traced(work, session), values)).findings

    assert [finding.rule for finding in found] == rules
    assert loop_lines(list(found)) == ["for number in range(9):"] * len(rules)
