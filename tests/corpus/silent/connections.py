"""Connections as they should be used, work side by side, and questions about the schema."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, selectinload

from tests.corpus.models import Author, Award, Book, Country, Review, Sensor, Setting
from tests.corpus.program import silent


@silent(statements=8, on="postgresql", executions=8)
def a_pool_that_is_used_again(engine):
    """Each statement borrows the same connection again; the shapes differ."""
    for model in (Author, Award, Book, Country, Review, Sensor, Setting):
        with engine.connect() as connection:
            connection.execute(select(func.count()).select_from(model)).scalar()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1")).scalar()


@silent(statements=2, executions=4)
def pre_ping(make_engine):
    """The pool asks a connection whether it is alive before it lends it again."""
    engine = make_engine(pool_pre_ping=True)
    with Session(engine) as session:
        session.scalars(select(Author.id)).all()
    with Session(engine) as session:
        session.scalars(select(Book.id)).all()


@silent(statements=21)
def reflection(engine):
    """The schema is read table by table, which is the only way."""
    inspector = inspect(engine)
    for table in inspector.get_table_names():
        inspector.get_columns(table)


@silent(statements=3, on="postgresql")
def reflection_on_postgresql(engine):
    """The catalogue is asked again for each table."""
    with engine.connect() as connection:
        for table in ("authors", "books", "reviews"):
            connection.execute(
                text("SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = cast(:name AS regclass)"),
                {"name": table},
            ).all()


@silent(statements=4)
def parallel_independent_work(engine):
    """Four threads, four different statements."""

    def count(model):
        with Session(engine) as session:
            return session.scalar(select(func.count()).select_from(model))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, (Author, Book, Review, Sensor)))


@silent(statements=3)
async def gather_three_statements(async_engine):
    """Three tasks for three parts of a page."""

    async def load(query):
        async with AsyncSession(async_engine) as session:
            return (await session.scalars(query)).all()

    await asyncio.gather(load(select(Author)), load(select(Book)), load(select(Setting)))


@silent(statements=2)
async def async_selectin_loading(async_session):
    """The fix of lazy loading in async code."""
    for author in await async_session.scalars(select(Author).options(selectinload(Author.books))):
        len(author.books)


@silent(statements=2, on="postgresql")
async def async_selectin_loading_on_psycopg(async_session):
    """The same through psycopg."""
    for author in await async_session.scalars(select(Author).options(selectinload(Author.books))):
        len(author.books)


@silent(statements=1)
async def async_stream(async_session):
    """Rows stream in over one statement."""
    async for _ in await async_session.stream_scalars(select(Sensor.id)):
        pass


@silent(statements=1, on="postgresql")
def given_back_before_other_work(engine):
    """The connection is given back before the program waits for something else."""
    with engine.connect() as connection:
        connection.execute(select(Author.id)).all()
    time.sleep(0.25)


@silent(statements=2, on="postgresql")
def committed_before_other_work(engine):
    """The transaction ends before the program waits."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events (kind) VALUES ('order')"))
    time.sleep(0.25)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events (kind) VALUES ('paid')"))


@silent(statements=4, on="postgresql")
def a_pool_that_fills_once(engine):
    """Four threads at once need four connections, which the pool opens once."""

    def work(number):
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.05), :number"), {"number": number})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
