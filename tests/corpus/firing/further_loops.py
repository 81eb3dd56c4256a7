"""Loops that are hard to see: in listeners, `__repr__`, iterators, queues, merges and deletions."""

# ruff: noqa: B018 - reading an attribute is what sends the statement
import asyncio
import logging

from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tests.corpus.models import Author, Book, Category, Review, Setting
from tests.corpus.program import fires

N = "n-plus-one"


@fires(N, statements=9, kind="repeated select")
def listener_for_each_loaded_object(session):
    """SQLAlchemy loops over the rows, and the user's listener asks for each of them."""

    def count_books(author, context):
        books = select(func.count()).where(Book.author_id == author.id)
        context.session.connection().execute(books).scalar()  # line

    event.listen(Author, "load", count_books)
    try:
        session.scalars(select(Author)).all()  # loop
    finally:
        event.remove(Author, "load", count_books)


@fires(N, statements=9, kind="lazy load")
def shown_in_a_log(session):
    """The log turns each object into text, and the text needs the books."""

    class Shown:
        def __init__(self, author):
            self.author = author

        def __str__(self):
            return f"{self.author.name}: {len(self.author.books)}"  # line

    log = logging.Logger("shelf")
    log.addHandler(handler := logging.StreamHandler())
    handler.stream = type("Nowhere", (), {"write": str, "flush": lambda self: None})()
    for author in session.scalars(select(Author)):  # cause, loop
        log.warning("%s", Shown(author))


@fires(N, statements=9, kind="repeated select")
def iterator_that_looks_up(session):
    """An iterator of one's own: each step is a statement."""

    class Authors:
        def __init__(self, keys):
            self.keys = iter(keys)

        def __iter__(self):
            return self

        def __next__(self):
            return session.scalars(select(Author).where(Author.id == next(self.keys))).one()  # line

    for author in Authors(session.scalars(select(Author.id)).all()):  # loop
        author.name


@fires(N, statements=8, kind="repeated select")
def merge_in_a_loop(session):
    """`merge` looks for each object in the database first."""
    for key in range(1, 9):  # loop
        session.merge(Author(id=key, name=f"author {key}", country_id=key))  # line


@fires(N, statements=8, kind="repeated select")
async def workers_of_a_queue(async_engine):
    """Two workers take keys from a queue: each has a loop of its own."""
    queue = asyncio.Queue()
    for key in range(1, 9):
        queue.put_nowait(key)

    async def worker():
        async with AsyncSession(async_engine) as session:
            while not queue.empty():  # loop
                await session.get(Author, queue.get_nowait())  # line

    await asyncio.gather(worker(), worker())


@fires(N, statements=9, kind="lazy load")
async def asynchronous_generator(async_session):
    """The rows are handed on by an asynchronous generator, which loads for each."""

    async def shelves():
        for author in (await async_session.scalars(select(Author))).all():  # cause, loop
            yield await author.awaitable_attrs.books  # line

    async for shelf in shelves():
        len(shelf)


@fires(N, statements=17, kind="lazy load")
def a_helper_in_two_loops(session):
    """Two loops call the same helper: one finding, in the loop that sends most."""

    def reviews(book):
        return len(book.reviews)  # line

    books = session.scalars(select(Book).limit(16)).all()  # cause
    for book in books[:9]:  # loop
        reviews(book)
    for book in books[9:]:
        reviews(book)


@fires(N, statements=9, kind="lazy load")
def a_loop_that_fails_in_the_end(session):
    """The loop ends with an error, and its statements were sent all the same."""
    for author in session.scalars(select(Author)):  # cause, loop
        if len(author.books) > 3:  # line
            raise LookupError(author.name)


@fires(N, statements=24, kind="repeated select", on="postgresql")
def a_savepoint_for_each_lookup(session):
    """The savepoints around the lookups are not what is wrong."""
    for key in range(1, 9):  # loop
        with session.begin_nested():
            session.scalars(select(Review.id).where(Review.book_id == key)).all()  # line


@fires(N, statements=4, kind="repeated select", on="postgresql")
def up_a_tree_step_by_step(connection):
    """Each step needs what the step before it found, so only a recursive query helps."""
    key = 15
    while key:  # loop
        parent = select(Category.parent_id).where(Category.id == key)
        key = connection.execute(parent).scalar()  # line


@fires(N, statements=4, kind="repeated select")
def up_a_tree_by_recursion(connection):
    """A function that calls itself, one statement a level: no frame is twice at one instruction."""

    def root_of(key):
        parent = connection.execute(select(Category.parent_id).where(Category.id == key)).scalar()  # line
        return root_of(parent) if parent else key  # loop

    root_of(15)


@fires("duplicate-query", N, statements=17, kind="repeated select")
def a_setting_beside_each_lookup(session):
    """One statement of the loop is always the same, the other is an N+1: two causes."""
    for key in session.scalars(select(Author.id)).all():  # cause, loop
        session.scalar(select(Setting.value).where(Setting.name == "vat"))  # line
        session.scalar(select(Author.name).where(Author.id == key))  # line


@fires(N, statements=4, kind="lazy load")
def three_objects_by_hand(session):
    """No loop, and no eager loading either: a helper reads one object after the other."""

    def print_books(author):
        return [book.title for book in author.books]  # line

    first, second, third = session.scalars(select(Author).limit(3)).all()  # cause
    print_books(first), print_books(second), print_books(third)
