"""Rows that are loaded together, and objects that the session already holds."""

# ruff: noqa: B018 - reading an attribute is what sends the statement, or here does not
from sqlalchemy import select
from sqlalchemy.orm import (
    Session,
    contains_eager,
    joinedload,
    raiseload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
)

from tests.corpus.models import Author, Book, Editor, Employee, Sensor
from tests.corpus.program import silent


@silent(statements=2)
def selectin_loading(session):
    """The fix of the classic: one more statement for all authors together."""
    for author in session.scalars(select(Author).options(selectinload(Author.books))):
        len(author.books)


@silent(statements=4)
def selectin_loading_in_chunks(session):
    """1,200 keys go in three chunks of 500: the same statement three times, with different keys."""
    sensors = session.scalars(select(Sensor).options(selectinload(Sensor.readings))).all()
    sum(len(sensor.readings) for sensor in sensors)


@silent(statements=4, on="postgresql")
def selectin_loading_in_chunks_on_postgresql(session):
    """The same on a database that tells how many rows it sent."""
    sensors = session.scalars(select(Sensor).options(selectinload(Sensor.readings))).all()
    sum(len(sensor.readings) for sensor in sensors)


@silent(statements=7)
def selectin_loading_by_partitions(session):
    """`yield_per` loads the collections for each partition of 400: the keys are asked for in batches."""
    query = select(Sensor).options(selectinload(Sensor.readings)).execution_options(yield_per=200)
    for partition in session.scalars(query).partitions():
        sum(len(sensor.readings) for sensor in partition)


@silent(statements=3)
def selectin_loading_two_levels(session):
    """Two relationships, two levels: three statements, however many rows."""
    options = selectinload(Author.books).selectinload(Book.reviews)
    for author in session.scalars(select(Author).options(options)):
        [len(book.reviews) for book in author.books]


@silent(statements=2)
def subquery_loading(session):
    """The second statement repeats the first as a subquery."""
    for author in session.scalars(select(Author).options(subqueryload(Author.books))):
        len(author.books)


@silent(statements=1)
def joined_loading(session):
    """One statement with a join."""
    for author in session.scalars(select(Author).options(joinedload(Author.books))).unique():
        len(author.books)


@silent(statements=1)
def contains_eager_loading(session):
    """The join is written by hand and filled into the relationship."""
    query = select(Author).join(Author.books).options(contains_eager(Author.books))
    for author in session.scalars(query).unique():
        len(author.books)


@silent(statements=1)
def raise_loading(session):
    """Lazy loading is forbidden, and does not happen."""
    for author in session.scalars(select(Author).options(raiseload("*"))):
        author.name


@silent(statements=1)
def undeferred_column(session):
    """The deferred column is asked for together with the rows."""
    for author in session.scalars(select(Author).options(undefer(Author.bio))):
        author.bio


@silent(statements=2)
def polymorphic_loading(session):
    """The subclasses' columns are fetched by one statement for all rows."""
    query = select(Employee).options(selectin_polymorphic(Employee, [Editor]))
    for editor in session.scalars(query):
        editor.desk


@silent(statements=2)
def identity_map_hits(session):
    """The loop looks up by key what the session already holds: no statement at all."""
    authors = {author.id: author for author in session.scalars(select(Author))}
    for book in session.scalars(select(Book)):
        book.author.name
        session.get(Author, book.author_id)
    len(authors)


@silent(statements=3, executions=9)
def expire_on_commit_off(engine):
    """Objects stay as they are after the commits, which write something each time."""
    with Session(engine, expire_on_commit=False) as session:
        authors = session.scalars(select(Author)).all()
        for author in authors[:4]:
            author.name = f"{author.name}!"
        session.commit()
        for author in authors[:4]:
            author.name = f"{author.name}!"
        session.commit()
        [author.name for author in authors]


@silent(statements=2)
def one_plus_one(session):
    """One author, and the books of that one."""
    author = session.scalars(select(Author).limit(1)).one()
    len(author.books)


@silent(statements=3)
def two_deliberate_lines(session):
    """Two lines, one lookup each, with different keys."""
    seller = session.get(Author, 1)
    buyer = session.get(Author, 2)
    session.get(Author, 3)
    return seller, buyer


@silent(statements=2)
def refresh_once(session):
    """One object is refreshed on purpose."""
    author = session.get(Author, 1)
    session.refresh(author)


@silent(statements=2)
def a_loop_over_one_row(session):
    """A loop that happens to have one row: nothing repeats."""
    for author in session.scalars(select(Author).where(Author.id == 3)):
        len(author.books)


@silent(statements=1, on="postgresql")
def every_row_is_used(session):
    """1,200 rows, all of them read."""
    sum(sensor.id for sensor in session.scalars(select(Sensor)))


@silent(statements=1, on="postgresql")
def a_chain_of_joins(session):
    """Books and the reviews of each book: no product, though two collections are joined."""
    session.scalars(select(Author).options(joinedload(Author.books).joinedload(Book.reviews))).unique().all()
