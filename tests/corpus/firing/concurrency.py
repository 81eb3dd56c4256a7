"""The same mistakes in coroutines, tasks and threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, immediateload

from tests.corpus.models import Author, Setting
from tests.corpus.program import fires

N = "n-plus-one"


@fires(N, statements=9, kind="lazy load")
async def awaitable_attributes(async_session):
    """Lazy loading that async SQLAlchemy allows."""
    authors = (await async_session.scalars(select(Author))).all()  # cause
    for author in authors:  # loop
        await author.awaitable_attrs.books  # line


@fires(N, statements=9, kind="lazy load", on="postgresql")
async def awaitable_attributes_on_psycopg(async_session):
    """The same through psycopg's async connection."""
    authors = (await async_session.scalars(select(Author))).all()  # cause
    for author in authors:  # loop
        await author.awaitable_attrs.books  # line


@fires(N, statements=8, kind="repeated select")
async def await_get_in_a_loop(async_session):
    """Each key waits for the one before it."""
    for key in range(1, 9):  # loop
        await async_session.get(Author, key)  # line


@fires(N, statements=8, kind="repeated select", on="postgresql")
async def async_comprehension(async_session):
    """An asynchronous comprehension, with a coroutine in between."""

    async def name(key):
        return await async_session.scalar(select(Author.name).where(Author.id == key))  # line

    [await name(key) for key in range(1, 9)]  # loop


@fires(N, statements=9, kind="repeated select")
async def async_for_over_a_stream(async_engine):
    """The rows stream in over one connection, and each asks over another."""
    async with AsyncSession(async_engine) as rows, AsyncSession(async_engine) as lookups:
        async for key in await rows.stream_scalars(select(Author.id)):  # loop
            await lookups.scalar(select(Author.name).where(Author.id == key))  # line


@fires(N, statements=9, kind="lazy load")
async def run_sync(async_session):
    """Old code is run in SQLAlchemy's greenlet: the loop is in an ordinary function."""

    def names(session):
        return [author.books for author in session.scalars(select(Author)).all()]  # cause, loop, line

    await async_session.run_sync(names)


@fires("fan-out", statements=8, kind="repeated select")
async def gather(async_engine):
    """Side by side instead of one after another: as many statements, and as many connections."""

    async def load(key):
        async with AsyncSession(async_engine) as session:
            return await session.get(Author, key)  # line

    await asyncio.gather(*(load(key) for key in range(1, 9)))


@fires("fan-out", statements=9, kind="lazy load", on="postgresql")
async def gather_of_lazy_loads(async_engine):
    """Objects of one session, each of which a task loads more of in a session of its own."""

    async def titles(author):
        async with AsyncSession(async_engine) as session:
            merged = await session.merge(author, load=False)
            return [book.title for book in await merged.awaitable_attrs.books]  # line

    async with AsyncSession(async_engine) as session:
        authors = (await session.scalars(select(Author))).all()
    await asyncio.gather(*map(titles, authors))


@fires("eager-n-plus-one", statements=9, kind="lazy load")
async def immediate_in_a_coroutine(async_session):
    """`immediateload`, called by SQLAlchemy from its greenlet."""
    await async_session.scalars(select(Author).options(immediateload(Author.books)))  # line


@fires("fan-out", statements=8, kind="repeated select", on="postgresql")
async def task_group(async_engine):
    """A task for each key."""

    async def load(key):
        async with AsyncSession(async_engine) as session:
            return await session.get(Author, key)  # line

    async with asyncio.TaskGroup() as group:
        for key in range(1, 9):
            group.create_task(load(key))


@fires("fan-out", statements=8, kind="repeated select", unseen_by=("queryspy",))
def thread_pool(engine):
    """A pool of threads sends one statement for each key."""

    def load(key):
        with Session(engine) as session:
            return session.get(Author, key).name  # line

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load, range(1, 9)))


@fires("fan-out", statements=8, kind="repeated select")
async def to_thread(engine):
    """`asyncio.to_thread` for each key."""

    def load(key):
        with Session(engine) as session:
            return session.get(Author, key).name  # line

    await asyncio.gather(*(asyncio.to_thread(load, key) for key in range(1, 9)))


@fires(N, statements=9, kind="lazy load", unseen_by=("queryspy",))
def a_loop_in_a_thread(engine):
    """An ordinary N+1, in a thread that the program waits for."""

    def page():
        with Session(engine) as session:
            for author in session.scalars(select(Author)):  # cause, loop
                len(author.books)  # line

    with ThreadPoolExecutor(1) as pool:
        pool.submit(page).result()


@fires("duplicate-query", statements=8, kind="repeated select", unseen_by=("queryspy",))
def each_thread_asks_the_same(engine):
    """Eight threads, one question."""

    def vat(_):
        with engine.connect() as connection:
            return connection.execute(select(Setting.value).where(Setting.name == "vat")).scalar()  # line

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(vat, range(8)))


@fires(N, statements=8, kind="repeated select", on="postgresql")
async def as_completed(async_engine):
    """The tasks only wait; the loop that collects them sends."""

    async def wait(key):
        await asyncio.sleep(0)
        return key

    async with async_engine.connect() as connection:
        for done in asyncio.as_completed([wait(key) for key in range(8)]):  # loop
            await connection.execute(select(Author.name).where(Author.id == await done))  # line
