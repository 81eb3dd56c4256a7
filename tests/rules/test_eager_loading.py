"""The advice for relationships loaded row by row: pasted into the program, it must mend it."""

# ruff: noqa: B008 - the statement that a program sends unless it is given one with options

import inspect
import re
from collections.abc import Callable
from typing import ClassVar

import pytest
from sqlalchemy import ForeignKey, Select, create_engine, event, func, select
from sqlalchemy.orm import (
    Mapped,
    Session,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectin_polymorphic,
    selectinload,
)

from perfkit.model.finding import Finding
from perfkit.session import measure
from tests.corpus import models
from tests.corpus.models import Author, Book, Tag, fill


class Staff(models.Base):
    __tablename__ = "staff"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    desks: Mapped[list["Desk"]] = relationship()
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "staff"}


class Boss(Staff):
    __tablename__ = "bosses"
    id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    reports: Mapped[list["BossReport"]] = relationship()
    __mapper_args__: ClassVar = {"polymorphic_identity": "boss"}


class Desk(models.Base):
    __tablename__ = "desks"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))


class BossReport(models.Base):
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
}


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        fill(connection)
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


PROGRAMS = [
    nested, nested_three_deep, two_for_each_inner_row, in_two_functions, collected_first,
    single_rows_then_a_collection, behind_what_is_joined, behind_what_is_selected, behind_two_that_are_eager,
    back_at_the_class_where_it_began, read_between_other_statements, objects_and_numbers, inherited,
    of_heirs_alone,
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
