"""Rows written one by one, and transactions ended one by one."""

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from tests.corpus.models import Author, Award, Event
from tests.corpus.program import fires

WRITE = "write"


@fires("write-loop", statements=9, kind=WRITE)
def insert_row_by_row(connection):
    """One call with a list would send one statement."""
    for number in range(9):  # loop
        connection.execute(insert(Event).values(kind=f"kind {number}"))  # line


@fires("write-loop", statements=9, kind=WRITE, on="postgresql")
def insert_row_by_row_on_postgresql(connection):
    """The same where each row is a round trip."""
    for number in range(9):  # loop
        connection.execute(insert(Event).values(kind=f"kind {number}"))  # line


@fires("write-loop", statements=8, kind=WRITE)
def update_row_by_row(session):
    """Each row gets its own UPDATE of the same shape."""
    for key in range(1, 9):  # loop
        session.execute(update(Author).where(Author.id == key).values(name=f"name {key}"))  # line


@fires("write-loop", statements=9, kind=WRITE, on="postgresql")
def rows_locked_together_and_written_one_by_one(session):
    """All rows are known when the first is written."""
    locked = select(Author.id).where(Author.id <= 8).with_for_update()
    for key in session.scalars(locked).all():  # loop
        session.execute(update(Author).where(Author.id == key).values(name=f"name {key}"))  # line


@fires("write-loop", statements=8, kind=WRITE)
def delete_row_by_row(session):
    """One DELETE with a list of keys would do."""
    for key in range(8):  # loop
        session.execute(delete(Award).where(Award.id == key))  # line


@fires("write-loop", statements=9, kind=WRITE)
def flush_for_each_object(session):
    """A flush after each object takes the unit of work its chance to send them together."""
    for number in range(9):  # loop
        session.add(Event(kind=f"kind {number}"))
        session.flush()  # line


@fires("write-loop", "n-plus-one", statements=16, kind=WRITE)
def autoflush_for_each_object(session):
    """The lookup within the loop also flushes what was added just before it, row by row."""
    for number in range(8):  # loop
        session.add(Event(kind=f"kind {number}"))
        session.scalars(select(Author.id).where(Author.id == number)).all()  # line


@fires("commit-per-row", "write-loop", statements=12, kind=WRITE)
def commit_for_each_row(engine):
    """Each commit waits for the disk."""
    with Session(engine) as session:
        for number in range(12):  # loop
            session.add(Event(kind=f"kind {number}"))
            session.commit()  # line


@fires("commit-per-row", "write-loop", statements=12, kind=WRITE, on="postgresql")
def a_transaction_for_each_row(engine):
    """`engine.begin` in the loop: a connection, a BEGIN and a COMMIT for each row."""
    for number in range(12):  # loop
        with engine.begin() as connection:  # line
            connection.execute(insert(Event).values(kind=f"kind {number}"))  # line
