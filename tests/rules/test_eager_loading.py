"""The advice for relationships loaded row by row: pasted into the program, it must mend it."""

# ruff: noqa: B008 - the statement that a program sends unless it is given one with options

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import pytest
from sqlalchemy import ForeignKey, Select, create_engine, event, func, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
    undefer,
)

from perfkit.model.codec import trace_from_json, trace_to_json
from perfkit.model.finding import Finding
from perfkit.model.query import QueryTotals
from perfkit.rules import diagnose
from perfkit.session import measure
from tests.corpus import models
from tests.corpus.models import Author, Book, Tag, fill


class Base(DeclarativeBase):
    pass


class Staff(Base):
    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    desks: Mapped[list["Desk"]] = relationship()
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "staff"}


class Boss(Staff):
    __tablename__ = "bosses"
    id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    level: Mapped[int] = mapped_column(default=3)
    reports: Mapped[list["BossReport"]] = relationship()
    __mapper_args__: ClassVar = {"polymorphic_identity": "boss"}


class Desk(Base):
    __tablename__ = "desks"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))


class BossReport(Base):
    __tablename__ = "boss_reports"
    id: Mapped[int] = mapped_column(primary_key=True)
    boss_id: Mapped[int] = mapped_column(ForeignKey("bosses.id"))


AUTHORS, BOOKS = select(Author), select(Book)
PASTED = {
    **vars(models),
    "select": select,
    "joinedload": joinedload,
    "selectinload": selectinload,
    "selectin_polymorphic": selectin_polymorphic,
    "undefer": undefer,
}


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        fill(connection)
        Base.metadata.create_all(connection)
    with Session(engine) as session:
        session.add_all(Boss(desks=[Desk()], reports=[BossReport(), BossReport()]) for _ in range(9))
        session.commit()
        yield session
    engine.dispose()


def nested(session, authors=AUTHORS):
    for author in session.scalars(authors):
        for book in author.books:
            len(book.reviews)


def nested_three_deep(session, authors=AUTHORS):
    for author in session.scalars(authors):
        for book in author.books:
            for tag in book.tags:
                assert tag.name
            for review in book.reviews:
                assert review.stars


def two_for_each_inner_row(session, authors=AUTHORS):
    for author in session.scalars(authors):
        for book in author.books:
            len(book.reviews), len(book.tags)


def in_two_functions(session, authors=AUTHORS):
    def reviews_of(author):
        return [review for book in author.books for review in book.reviews]

    return [reviews_of(author) for author in session.scalars(authors).all()]


def collected_first(session, authors=AUTHORS):
    books = [book for author in session.scalars(authors) for book in author.books]
    for book in books:
        len(book.reviews)


def single_rows_then_a_collection(session, books=BOOKS):
    for book in session.scalars(books):
        for award in book.author.awards:
            assert award.id is not None


def behind_what_is_joined(session, books=BOOKS.options(joinedload(Book.author))):
    for book in session.scalars(books):
        for award in book.author.awards:
            assert award.id is not None


def behind_what_is_selected(session, authors=AUTHORS.options(selectinload(Author.books))):
    for author in session.scalars(authors):
        for book in author.books:
            len(book.reviews)


def behind_two_that_are_eager(
    session, books=BOOKS.options(joinedload(Book.author).selectinload(Author.books))
):
    for book in session.scalars(books):
        for other in book.author.books:
            len(other.reviews)


def back_at_the_class_where_it_began(session, books=BOOKS.where(Book.id < 9)):
    for book in session.scalars(books):
        for tag in book.author.books:
            len(tag.reviews)


def read_between_other_statements(session, authors=AUTHORS):
    authors = session.scalars(authors).all()
    titles = session.execute(select(Book.id, Book.title)).all()
    for author in authors:
        assert len(author.awards) < len(titles)


def objects_and_numbers(
    session, authors=select(Author, func.count(Book.id)).join(Author.books).group_by(Author.id)
):
    for author, number in session.execute(authors):
        assert len(author.awards) < number


def inherited(session, bosses=select(Boss)):
    for boss in session.scalars(bosses):
        len(boss.desks)


def of_heirs_alone(session, staff=select(Staff)):
    for member in session.scalars(staff):
        if isinstance(member, Boss):
            len(member.reports)


def deferred(session, authors=AUTHORS):
    for author in session.scalars(authors):
        assert author.bio


def deferred_behind_others(session, books=BOOKS.options(joinedload(Book.author))):
    for book in session.scalars(books):
        assert book.author.bio


def columns_of_heirs(session, staff=select(Staff)):
    for member in session.scalars(staff):
        assert member.level


PROGRAMS = [
    nested, nested_three_deep, two_for_each_inner_row, in_two_functions, collected_first,
    single_rows_then_a_collection, behind_what_is_joined, behind_what_is_selected, behind_two_that_are_eager,
    back_at_the_class_where_it_began, read_between_other_statements, objects_and_numbers, inherited,
    of_heirs_alone, deferred, deferred_behind_others, columns_of_heirs,
]  # fmt: skip


def findings(work: Callable[..., object], session: Session) -> list[Finding]:
    session.expunge_all()
    with measure("program") as m:
        work(session)
    return list(m.diagnosis.findings)


def statements(work: Callable[..., object], session: Session, *arguments: object) -> int:
    """How many the engine itself sends."""
    sent: list[str] = []
    session.expunge_all()

    def note(connection, cursor, statement, *rest):
        sent.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        work(session, *arguments)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(sent)


def mended(work: Callable[..., object], *found: Finding) -> Select[tuple[object]]:
    """The program's own statement with the options that these findings tell to paste."""
    own = inspect.signature(work).parameters
    statement = list(own.values())[1].default
    for finding in found:
        (code,) = re.findall(r"^select\(.*\)$", finding.advice, re.MULTILINE)
        statement = statement.options(*eval(code, {**globals(), **PASTED})._with_options)
    return statement


@pytest.mark.parametrize("work", PROGRAMS, ids=lambda work: work.__name__)
def test_each_option_pasted_alone_saves_what_the_finding_promises(session, work):
    found = findings(work, session)
    slow = statements(work, session)

    assert found
    for finding in found:
        # The rows of an heir's own table take a statement more.
        more = finding.advice.count("selectin_polymorphic(")
        assert slow - statements(work, session, mended(work, finding)) + more >= finding.round_trips > 0


@pytest.mark.parametrize("work", PROGRAMS, ids=lambda work: work.__name__)
def test_all_options_together_at_the_place_that_is_named_leave_one_statement_a_shape(session, work):
    found = findings(work, session)
    loaded = {name for finding in found for name in re.findall(r"load\((\w+\.\w+)", finding.advice)}

    assert statements(work, session, mended(work, *found)) <= 2 + len(loaded)
    assert {finding.cause.source_text for finding in found} == {place_of_the_statement(work)}


def place_of_the_statement(work: Callable[..., object]) -> str:
    lines = inspect.getsource(work).splitlines()
    return next(line.strip() for line in lines if re.search(r"session\.(scalars|execute)\(", line))


@pytest.mark.parametrize("work", PROGRAMS, ids=lambda work: work.__name__)
def test_a_trace_that_was_saved_and_read_again_is_judged_alike(session, work):
    session.expunge_all()
    with measure("program") as m:
        work(session)

    assert diagnose(trace_from_json(trace_to_json(m.trace))) == m.diagnosis


def test_beyond_the_bound_of_statements_the_sources_of_nested_loops_are_found_too(session):
    session.expunge_all()
    with measure("program") as m:
        nested(session)
    *kept, last = m.trace.queries or ()
    rest = QueryTotals(
        last.query_text, last.fingerprint, last.operation_name, 900, 9.0,
        call_site=last.call_site, loop_site=last.loop_site, relationship=last.relationship,
    )  # fmt: skip

    found = diagnose(replace(m.trace, queries=tuple(kept), more_queries=(rest,))).findings

    assert "923 statements where one would do: a loop in a loop" in found[0].message
    assert found[0].cause == m.diagnosis.findings[0].cause
    assert "selectinload(Author.books).selectinload(Book.reviews)" in found[0].advice


def authors_of_unknown_origin(authors):
    for author in authors:
        assert author.awards


def test_where_no_statement_of_the_block_loaded_the_owners_the_advice_says_where_the_option_goes(session):
    authors = session.scalars(AUTHORS).all()
    with measure("loop") as m:
        authors_of_unknown_origin(authors)
    (found,) = m.diagnosis.findings

    assert found.cause is None
    assert found.advice.endswith(
        "# behind the option of the relationship that loads Author, if one does: .selectinload(Author.awards)"
    )


def by_an_alias(session):
    other = aliased(Author)
    for author in session.scalars(select(other)):
        len(author.awards)


def test_of_an_alias_the_advice_says_what_to_write(session):
    (found,) = findings(by_an_alias, session)

    assert found.advice.endswith("# the statement reads an alias: write its name in the place of Author")


def settings_in_between(session, authors):
    number = len(session.scalars(select(Tag)).all())
    for author in authors:
        assert len(author.awards) + number


def test_a_statement_that_loads_something_else_is_not_blamed(session):
    authors = session.scalars(AUTHORS.limit(3)).all()
    with measure("loop") as m:
        settings_in_between(session, authors)
    (found,) = m.diagnosis.findings

    assert found.cause is None
    assert "Tag" not in found.advice
