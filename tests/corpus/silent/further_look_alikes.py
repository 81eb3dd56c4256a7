"""More that looks like a mistake and is none."""

# ruff: noqa: B018 - reading an attribute is what sends the statement, or here does not
import pandas
from sqlalchemy import delete, insert, select, text, tuple_, update
from sqlalchemy.orm import Session

from tests.corpus.models import Author, Book, Event, Reading, Sensor, Setting
from tests.corpus.program import silent


@silent(statements=3)
def one_question_for_each_shard(make_engine):
    """The same statement to three databases: three answers."""
    for engine in [make_engine(), make_engine(), make_engine()]:
        with engine.connect() as connection:
            connection.execute(select(Setting.value).where(Setting.name == "vat")).scalar()


@silent(statements=4)
def keyset_walk_by_two_columns(connection):
    """Page by page after the last pair of keys."""
    last = (0, 0)
    for _ in range(4):
        key = tuple_(Reading.sensor_id, Reading.id)
        page = select(Reading.sensor_id, Reading.id).where(key > last).order_by(*key).limit(100)
        last = tuple(connection.execute(page).all()[-1])


@silent(statements=4)
def keyset_walk_backwards(connection):
    """The newest first."""
    last = 10_000
    for _ in range(4):
        page = select(Sensor.id).where(Sensor.id < last).order_by(Sensor.id.desc()).limit(100)
        last = connection.execute(page).scalars().all()[-1]


@silent(statements=3)
def updates_in_chunks(session):
    """A long list of keys is changed four hundred at a time."""
    keys = list(range(1, 1201))
    for start in range(0, 1200, 400):
        chunk = keys[start : start + 400]
        session.execute(update(Sensor).where(Sensor.id.in_(chunk)).values(id=Sensor.id))


@silent(statements=2)
def expired_object_read_once(session):
    """One object is read again after a commit."""
    author = session.scalars(select(Author).limit(1)).one()
    session.commit()
    author.name


@silent(statements=1)
def pandas_in_chunks(connection):
    """pandas reads one result in pieces."""
    for frame in pandas.read_sql(select(Sensor), connection, chunksize=100):
        len(frame)


@silent(statements=3, on="postgresql")
def rows_of_three_kinds(connection):
    """Three separate lines insert a row each."""
    connection.execute(insert(Event).values(kind="ordered"))
    connection.execute(insert(Event).values(kind="paid"))
    connection.execute(insert(Event).values(kind="sent"))


@silent(statements=3)
def a_table_emptied_in_portions(connection):
    """Rows are deleted in portions until none are left, so that locks stay short."""
    portion = text("DELETE FROM readings WHERE id IN (SELECT id FROM readings LIMIT 500)")
    while connection.execute(portion).rowcount == 500:
        pass


@silent(statements=2)
def a_statement_and_its_copy_on_two_lines(session):
    """A function is called from two lines with different keys."""

    def titles(key):
        return session.scalars(select(Book.title).where(Book.author_id == key)).all()

    first = titles(1)
    second = titles(2)
    return first, second


@silent(statements=3, on="postgresql")
def the_time_by_the_database(connection):
    """The same text answers differently each time."""
    for _ in range(3):
        connection.execute(text("SELECT clock_timestamp()")).scalar()


@silent(statements=2)
def a_loop_that_finds_at_once(session):
    """A search that ends with the first hit."""
    for key in session.scalars(select(Author.id)).all():
        if session.scalars(select(Book).where(Book.author_id == key).limit(1)).first():
            break


@silent(statements=2)
def cleared_and_written_anew(engine):
    """Everything is deleted and written again, in one transaction."""
    with Session(engine) as session, session.begin():
        session.execute(delete(Event))
        session.execute(insert(Event).values([{"kind": "a"}, {"kind": "b"}]))


@silent(statements=3)
def two_objects_by_hand(session):
    """The two sides of a comparison will always be two."""
    first, second = session.scalars(select(Author).limit(2)).all()
    return len(first.books) > len(second.books)
