"""Columns fetched again one object at a time, and results that are slow, unread, or multiplied."""

# ruff: noqa: B018 - reading an attribute is what sends the statement

from sqlalchemy import select, text
from sqlalchemy.orm import joinedload, selectinload

from tests.corpus.models import Author, Sensor, Shelf
from tests.corpus.program import fires

COLUMN = "column load"


@fires("column-load", statements=9, kind=COLUMN)
def deferred_column(session):
    """The model left the column out to save time, and each row asks for it after all."""
    for author in session.scalars(select(Author)):  # loop
        author.bio  # line


@fires("column-load", statements=9, kind=COLUMN)
def expired_by_a_commit(session):
    """The commit in between makes every object stale, though nobody changed anything."""
    authors = session.scalars(select(Author)).all()
    session.commit()
    for author in reversed(authors):  # loop
        author.name  # line


@fires("column-load", statements=18, kind=COLUMN)
def expired_with_what_was_loaded_eagerly(session):
    """The books come again with each author: they were loaded together, and the commit is the cause."""
    authors = session.scalars(select(Author).options(selectinload(Author.books))).all()
    session.commit()
    for author in authors:  # loop
        author.name  # line


@fires("column-load", "n-plus-one", statements=17, kind=COLUMN)
def expired_and_lazy_besides(session):
    """Without the commit, the books would still be loaded author by author."""
    authors = session.scalars(select(Author)).all()  # cause
    session.commit()
    for author in authors:  # loop
        len(author.books)  # line


@fires("column-load", statements=9, kind=COLUMN)
def expired_by_a_rollback(session):
    """A rollback expires them too."""
    authors = session.scalars(select(Author)).all()
    session.rollback()
    [author.name for author in authors]  # loop, line


@fires("column-load", statements=9, kind=COLUMN)
def refresh_for_each_row(session):
    """What was just fetched is fetched again, to be sure."""
    for author in session.scalars(select(Author)).all():  # loop
        session.refresh(author)  # line


@fires("slow-query", statements=1, on="postgresql")
def one_slow_report(connection):
    """One statement takes all the time; its plan has to say why."""
    connection.execute(text("SELECT yearly_report(600)")).scalar_one()  # line


@fires("unbounded-result", statements=1, on="postgresql")
def rows_that_nobody_reads(connection):
    """The database sends 1,200 rows, the page shows twenty."""
    connection.execute(select(Sensor.id).order_by(Sensor.id)).fetchmany(20)  # line


@fires("unbounded-result", statements=1)
def the_first_of_all(session):
    """The ORM loads all 1,200 rows and turns them into objects to hand out one."""
    session.scalars(select(Sensor).order_by(Sensor.id)).first()  # line


@fires("cartesian-product", statements=1, on="postgresql")
def two_collections_joined(session):
    """Two joined collections multiply: 640 rows for 170 objects."""
    both = joinedload(Shelf.boxes), joinedload(Shelf.lamps)
    session.scalars(select(Shelf).options(*both)).unique().all()  # line


@fires("cartesian-product", statements=1)
def two_collections_joined_on_sqlite(session):
    """The same where the driver does not tell how many rows it sent."""
    both = joinedload(Shelf.boxes), joinedload(Shelf.lamps)
    session.scalars(select(Shelf).options(*both)).unique().all()  # line


@fires("deep-offset", statements=20, on="postgresql")
def pages_that_get_slower(connection):
    """Each page reads and throws away all pages before it; a row of this table has a price."""
    page = text("SELECT id, yearly_report(1) FROM sensors ORDER BY id LIMIT 5 OFFSET :skip")
    for number in range(20):  # loop
        connection.execute(page, {"skip": 5 * number}).all()  # line
