"""The advice for relationships loaded row by row: pasted into the program, it must mend it."""

import inspect
import re
from collections.abc import Callable

import pytest
from sqlalchemy import Select, create_engine, event, select
from sqlalchemy.orm import Session, joinedload, selectinload

from perfkit.model.finding import Finding
from perfkit.session import measure
from tests.corpus import models
from tests.corpus.models import Author, Book, fill

AUTHORS, BOOKS = select(Author), select(Book)
PASTED = {**vars(models), "select": select, "joinedload": joinedload, "selectinload": selectinload}


@pytest.fixture
def session():
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        fill(connection)
    with Session(engine) as session:
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


PROGRAMS = [
    nested, nested_three_deep, two_for_each_inner_row, in_two_functions, collected_first,
    single_rows_then_a_collection,
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


def pasted(finding: Finding) -> Select[tuple[object]]:
    (code,) = re.findall(r"^select\(.*\)$", finding.advice, re.MULTILINE)
    return eval(code, dict(PASTED))


@pytest.mark.parametrize("work", PROGRAMS, ids=lambda work: work.__name__)
def test_each_option_pasted_alone_saves_what_the_finding_promises(session, work):
    found = findings(work, session)
    slow = statements(work, session)

    assert found
    for finding in found:
        assert slow - statements(work, session, pasted(finding)) >= finding.round_trips > 0


@pytest.mark.parametrize("work", PROGRAMS, ids=lambda work: work.__name__)
def test_all_options_together_at_the_place_that_is_named_leave_one_statement_a_shape(session, work):
    found = findings(work, session)
    options = [option for finding in found for option in pasted(finding)._with_options]
    bare = BOOKS if work is single_rows_then_a_collection else AUTHORS

    assert statements(work, session, bare.options(*options)) <= len(found) + 2
    assert {finding.cause.source_text for finding in found} == {place_of_the_statement(work)}


def place_of_the_statement(work: Callable[..., object]) -> str:
    lines = inspect.getsource(work).splitlines()
    return next(line.strip() for line in lines if "session.scalars(" in line)


def authors_behind_their_books(session):
    for book in session.scalars(select(Book).options(joinedload(Book.author))):
        for award in book.author.awards:
            assert award.id is not None


def test_an_option_for_owners_that_the_statement_loads_behind_others_leaves_room_for_the_way_there(session):
    (found,) = findings(authors_behind_their_books, session)

    assert found.advice.endswith(
        "from sqlalchemy.orm import selectinload\n"
        "select(Book).options(\u2026.selectinload(Author.awards))\n"
        "# the dots: the relationships that lead from Book to Author"
    )


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


def another_statement_in_between(session, authors=AUTHORS):
    authors = session.scalars(authors).all()
    titles = session.execute(select(Book.id, Book.title)).all()
    for author in authors:
        assert len(author.awards) < len(titles)


def test_the_option_goes_where_the_owners_are_loaded_not_to_the_statement_just_before_the_loop(session):
    (found,) = findings(another_statement_in_between, session)

    assert found.cause.source_text == place_of_the_statement(another_statement_in_between)
