"""Reading that repeats for a reason."""

import functools
import time

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from tests.corpus.models import Author, Book, Review, Sensor, Setting
from tests.corpus.program import silent


@silent(statements=7)
def keyset_walk(session):
    """Page by page, each after the last key of the one before."""
    last, page = 0, [0]
    while page:
        query = select(Sensor.id).where(Sensor.id > last).order_by(Sensor.id).limit(200)
        page = session.scalars(query).all()
        last = page[-1] if page else last


@silent(statements=6)
def offset_walk(session):
    """Page by page by OFFSET, over pages that stay quick."""
    for skip in range(0, 1200, 200):
        session.scalars(select(Sensor.id).order_by(Sensor.id).limit(200).offset(skip)).all()


@silent(statements=6, on="postgresql")
def offset_walk_on_postgresql(session):
    """The same where the numbers of rows are known."""
    for skip in range(0, 1200, 200):
        session.scalars(select(Sensor.id).order_by(Sensor.id).limit(200).offset(skip)).all()


@silent(statements=4)
def pages_of_one_author(session):
    """Page by page through the children of one parent."""
    for skip in range(4):
        books = select(Book).where(Book.author_id == 1).order_by(Book.id)
        session.scalars(books.limit(1).offset(skip)).all()


@silent(statements=16)
def pages_of_each_author(session):
    """Two pages for each parent, the first of them with nothing to skip."""
    for author_id in range(1, 9):
        for skip in (0, 2):
            books = select(Book).where(Book.author_id == author_id).order_by(Book.id)
            session.scalars(books.limit(2).offset(skip)).all()


@silent(statements=12)
def ranges_of_keys(session):
    """A hundred rows at a time, by the first and the last key."""
    for first in range(1, 1201, 100):
        session.scalars(select(Sensor.id).where(Sensor.id.between(first, first + 99))).all()


@silent(statements=12, on="postgresql")
def half_open_ranges(session):
    """The same with two comparisons."""
    for first in range(1, 1201, 100):
        session.scalars(select(Sensor.id).where(Sensor.id >= first, Sensor.id < first + 100)).all()


@silent(statements=12)
def disjoint_chunks_of_keys(session):
    """A long list of keys, a hundred at a time."""
    keys = list(range(1, 1201))
    for start in range(0, 1200, 100):
        session.scalars(select(Sensor.id).where(Sensor.id.in_(keys[start : start + 100]))).all()


@silent(statements=2)
def count_then_page(session):
    """How many there are, and the first of them: two statements that look alike."""
    books = select(Book).where(Book.author_id == 1)
    session.scalar(select(func.count()).select_from(books.subquery()))
    session.scalars(books.limit(2)).all()


@silent(statements=4)
def different_statements_in_a_loop(session):
    """A loop over tables: each statement has its own shape."""
    for model in (Author, Book, Review, Setting):
        session.scalar(select(func.count()).select_from(model))


@silent(statements=1)
def cached_result(session):
    """A helper is asked eight times, the database once."""

    @functools.cache
    def setting(name):
        return session.scalar(select(Setting.value).where(Setting.name == name))

    [setting("vat") for _ in range(8)]


@silent(statements=3, executions=3)
def polling(connection):
    """The same question four times a second, until the answer changes."""
    for _ in range(3):
        connection.execute(select(Setting.value).where(Setting.name == "vat")).scalar()
        time.sleep(0.25)


@silent(statements=6)
def polling_every_ten_milliseconds(session):
    """A short wait is a wait: another program may have changed the number."""
    for _ in range(6):
        if session.scalar(select(func.count()).select_from(Book).where(Book.author_id == 1)) > 100:
            break
        time.sleep(0.01)


@silent(statements=3, executions=1)
def retry_after_an_error(connection):
    """What failed is tried again; SQLite does not even run what it cannot parse."""
    for table in ("archive", "archive", "authors"):
        try:
            connection.execute(text(f"SELECT name FROM {table} WHERE id = :key"), {"key": 1}).one()
            break
        except OperationalError:
            continue


@silent(statements=3)
def read_again_after_a_write(connection):
    """The same question after a write has another answer."""
    query = select(Setting.value).where(Setting.name == "vat")
    connection.execute(query).scalar()
    connection.execute(text("UPDATE settings SET value = 21 WHERE name = 'vat'"))
    connection.execute(query).scalar()


@silent(statements=1)
def generator_in_pieces(session):
    """A generator hands rows on, a thousand and two hundred of one statement."""

    def readings():
        yield from session.scalars(select(Sensor.id).execution_options(yield_per=100))

    sum(readings())


@silent(statements=1, on="postgresql")
def server_side_cursor(engine):
    """Rows come in portions from a named cursor: one statement, thirteen round trips."""
    with engine.connect().execution_options(stream_results=True, max_row_buffer=100) as connection:
        for partition in connection.execute(select(Sensor.id)).partitions(100):
            len(partition)


@silent(statements=1)
def rows_read_in_a_loop(connection):
    """`fetchone` in a loop reads one result."""
    result = connection.execute(select(Sensor.id))
    while result.fetchone():
        pass


@silent(statements=1, on="postgresql")
def a_limited_result(connection):
    """A LIMIT, and the first row only."""
    connection.execute(select(Sensor.id).limit(1100)).first()


@silent(statements=3, on="postgresql")
def numbers_from_a_sequence(connection):
    """The same text, another answer each time."""
    for _ in range(3):
        connection.execute(text("SELECT nextval('invoice_numbers')")).scalar()


@silent(statements=6, on="postgresql")
def row_locks_one_by_one(connection):
    """Locks are taken in the order of the keys, so that two programs do not wait for each other."""
    for key in range(1, 7):
        connection.execute(select(Author.id).where(Author.id == key).with_for_update()).one()


@silent(statements=1, on="postgresql")
def waiting_on_purpose(connection):
    """`pg_sleep` takes long by design."""
    connection.execute(text("SELECT pg_sleep(0.15)"))


@silent(statements=2)
def one_join_for_all(session):
    """What a loop of lookups becomes: one statement, and a dictionary."""
    names = dict(session.execute(select(Author.id, Author.name)).all())
    for book in session.execute(select(Book.title, Book.author_id)):
        names[book.author_id]


@silent(statements=1)
def grouped_counts(session):
    """What a count for each author becomes."""
    counts = select(Book.author_id, func.count()).group_by(Book.author_id)
    for _, number in session.execute(counts):
        str(number)


@silent(statements=8, on="postgresql")
def a_count_for_each_tenant(connection):
    """Row-level security answers the same question differently for each."""
    for tenant in ("north", "east", "south", "west"):
        connection.execute(select(func.set_config("app.tenant", tenant, True)))
        connection.scalar(select(func.count()).select_from(Book))


@silent(statements=8, on="postgresql")
def a_row_of_each_schema(connection):
    """The search path decides whose table is read."""
    for number in range(1, 5):
        connection.execute(text(f"SET LOCAL search_path TO tenant_{number}, public"))
        connection.scalar(select(Book.title).where(Book.id == number))
