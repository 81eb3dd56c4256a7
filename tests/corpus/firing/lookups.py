"""A statement of the program's own, sent for one key after another."""

import time

import pandas
from sqlalchemy import exists, func, select, text

from tests.corpus.models import Author, Book, Review, Setting
from tests.corpus.program import fires

N = "n-plus-one"
REPEATED = "repeated select"


@fires(N, statements=8, kind=REPEATED)
def get_by_key(session):
    """`Session.get` is no lazy load, so nothing but the count gives it away."""
    for key in range(1, 9):  # loop
        session.get(Author, key)  # line


@fires(N, statements=8, kind=REPEATED)
def core_statement_by_key(connection):
    """Core, without any ORM object."""
    for key in range(1, 9):  # loop
        connection.execute(select(Author.name).where(Author.id == key)).scalar_one()  # line


@fires(N, statements=8, kind=REPEATED)
def text_with_the_value_inside(connection):
    """The value is pasted into the text: eight texts, one shape."""
    for key in range(1, 9):  # loop
        connection.execute(text(f"SELECT name FROM authors WHERE id = {key}")).scalar_one()  # line


@fires(N, statements=8, kind=REPEATED, on="postgresql")
def driver_sql_on_postgresql(connection):
    """`exec_driver_sql` goes around the compiler; on PostgreSQL the sixth is prepared."""
    for key in range(1, 9):  # loop
        connection.exec_driver_sql("SELECT name FROM authors WHERE id = %s", (key,)).scalar_one()  # line


@fires(N, statements=24, kind=REPEATED)
def lookup_by_two_columns(session):
    """The key has two parts, so no IN list is suggested by itself."""
    pairs = [(1 + (n - 1) // 3, f"book {n}") for n in range(1, 25)]
    for author_id, title in pairs:  # loop
        session.scalar(select(Book.id).where(Book.author_id == author_id, Book.title == title))  # line


@fires(N, statements=9, kind=REPEATED)
def count_per_parent(session):
    """A count for each author instead of one GROUP BY."""
    for author_id in session.scalars(select(Author.id)).all():  # cause, loop
        session.scalar(select(func.count()).select_from(Book).where(Book.author_id == author_id))  # line


@fires(N, statements=9, kind=REPEATED)
def exists_per_row(session):
    """A question with yes or no for an answer still costs a round trip."""
    authors = session.scalars(select(Author.id)).all()  # cause
    [key for key in authors if session.scalar(select(exists().where(Review.book_id == key)))]  # loop, line


@fires(N, statements=9, kind=REPEATED)
def repository_method(session):
    """A repository hides the statement behind a harmless name, another method the loop."""

    class Library:
        def author(self, key):
            return session.scalars(select(Author).where(Author.id == key)).one()  # line

        def names(self):
            return [self.author(key).name for key in session.scalars(select(Author.id)).all()]  # cause, loop

    Library().names()


@fires(N, statements=8, kind=REPEATED)
def pandas_read_sql(engine):
    """A DataFrame for each key, glued together afterwards."""
    with engine.connect() as connection:
        frames = [  # loop
            pandas.read_sql(select(Book).where(Book.author_id == key), connection)  # line
            for key in range(1, 9)
        ]
    pandas.concat(frames)


@fires(N, statements=8, kind=REPEATED)
def a_session_for_each_row(engine):
    """Each row has a session and a connection of its own: the loop is still one."""
    from sqlalchemy.orm import Session

    for key in range(1, 9):  # loop
        with Session(engine) as session:
            session.get(Author, key)  # line


@fires(N, statements=8, kind=REPEATED)
def rows_that_are_missing(session):
    """Nothing is found, and it costs as much."""
    for key in range(101, 109):  # loop
        session.get(Author, key)  # line


@fires(N, statements=9, kind=REPEATED)
def last_book_of_each_author(session):
    """For SQLite SQLAlchemy writes an OFFSET beside each LIMIT, though no row is skipped."""
    for author_id in session.scalars(select(Author.id)).all():  # cause, loop
        last = select(Book).where(Book.author_id == author_id).order_by(Book.id.desc()).limit(1)
        session.scalars(last).first()  # line


@fires(N, statements=9, kind=REPEATED)
def two_books_of_each_author(session):
    """Some rows of each parent, in any order."""
    for author_id in session.scalars(select(Author.id)).all():  # cause, loop
        session.scalars(select(Book).where(Book.author_id == author_id).limit(2)).all()  # line


@fires(N, statements=9, kind=REPEATED, on="postgresql")
def last_book_of_each_author_on_postgresql(session):
    """The same without an OFFSET."""
    for author_id in session.scalars(select(Author.id)).all():  # cause, loop
        last = select(Book).where(Book.author_id == author_id).order_by(Book.id.desc()).limit(1)
        session.scalars(last).first()  # line


@fires(N, statements=8, kind=REPEATED)
def a_range_that_holds_one_row(session):
    """The author whose books a number falls among: a range, and one row for each."""
    for number in range(1, 25, 3):  # loop
        range_ = Book.id.between(number, number + 2)
        session.scalars(select(Book.author_id).where(range_).distinct()).one()  # line


@fires(N, statements=8, kind=REPEATED)
def the_newest_until_a_day(session):
    """What was valid then, for each parent: not the page behind the last key."""
    for author_id in range(1, 9):  # loop
        until = select(Book.title).where(Book.author_id == author_id, Book.id <= 3 * author_id)
        session.scalars(until.order_by(Book.id.desc()).limit(1)).first()  # line


@fires(N, statements=10, kind=REPEATED, on="postgresql")
def lookups_of_each_tenant(connection):
    """Of one tenant at a time, several rows one by one."""
    for tenant in ("north", "east"):
        connection.execute(select(func.set_config("app.tenant", tenant, True)))
        for key in range(1, 5):  # loop
            connection.scalar(select(Book.title).where(Book.id == key))  # line


@fires("select-in-loop", statements=9, kind=REPEATED)
def a_short_list_for_each_row(session):
    """IN looks like batching; with three keys a statement it is the same loop."""
    for author_id in session.scalars(select(Author.id)).all():  # loop
        keys = range(3 * author_id - 2, 3 * author_id + 1)
        session.scalars(select(Review).where(Review.book_id.in_(keys))).all()  # line


@fires("duplicate-query", statements=8, kind=REPEATED)
def the_same_setting_for_each_row(session):
    """The answer does not depend on the row: it belongs before the loop."""
    for _ in range(8):  # loop
        session.scalar(select(Setting.value).where(Setting.name == "vat"))  # line


@fires("duplicate-query", N, statements=16, kind=REPEATED)
def the_same_setting_beside_slow_work(session):
    """A loop that takes long for each row is no poll: it asks for other things too."""
    for country_id in range(1, 9):  # loop
        session.scalar(select(Setting.value).where(Setting.name == "vat"))  # line
        time.sleep(0.011)
        session.scalar(select(Author.id).where(Author.country_id == country_id))  # line


@fires("duplicate-query", statements=16, kind=REPEATED, on="postgresql")
def the_same_setting_of_one_tenant(engine):
    """Each transaction names its tenant, who is the same all along."""
    for _ in range(8):  # loop
        with engine.begin() as connection:
            connection.execute(select(func.set_config("app.tenant", "north", True)))
            connection.scalar(select(Setting.value).where(Setting.name == "vat"))  # line


@fires("duplicate-query", statements=3, kind=REPEATED)
def three_helpers_ask_the_same(session):
    """No loop: three parts of the program do not know of each other."""

    def vat():
        return session.scalar(select(Setting.value).where(Setting.name == "vat"))  # line

    net, gross, tax = vat(), vat(), vat()
    return net, gross, tax


@fires("duplicate-query", statements=2, kind=REPEATED)
def a_forgetful_session(session):
    """Nobody holds the author, so the identity map forgets it, and it is fetched again."""
    session.get(Author, 1)  # line
    session.get(Author, 1)


@fires("m-plus-n", statements=16, kind=REPEATED)
def two_lookups_a_row(connection):
    """Two shapes in turn, both by key."""
    for key in range(1, 9):  # loop
        connection.execute(select(Author.name).where(Author.id == key)).one()  # line
        connection.execute(select(Book.title).where(Book.author_id == key)).all()
