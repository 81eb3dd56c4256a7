"""Connections that are opened again and again, held without work, or used up."""

import threading
import time

from sqlalchemy import select, text, update
from sqlalchemy.pool import NullPool

from tests.corpus.models import Author
from tests.corpus.program import fires


@fires("connection-per-query", "n-plus-one", statements=6, kind="repeated select", on="postgresql")
def without_a_pool(make_engine):
    """`NullPool` opens a connection for each lookup, which is an N+1 besides."""
    engine = make_engine(poolclass=NullPool)
    for key in range(6):  # loop
        with engine.connect() as connection:  # line
            connection.execute(select(Author.name).where(Author.id == key)).first()  # line


@fires("pool-exhausted", statements=4, on="postgresql")
def a_pool_of_one(make_engine):
    """Four threads share one connection, and three wait for it."""
    engine = make_engine(pool_size=1, max_overflow=0)

    def report(year):
        with engine.connect() as connection:  # line
            connection.execute(text("SELECT yearly_report(60), :year"), {"year": year})

    threads = [threading.Thread(target=report, args=(year,)) for year in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


@fires("connection-held-idle", statements=1, on="postgresql")
def held_during_other_work(engine):
    """The connection is kept while the program waits for something else."""
    with engine.connect() as connection:  # line
        connection.execute(text("SELECT 1 FROM authors")).all()
        time.sleep(0.3)  # a call to another service


@fires("idle-in-transaction", statements=2, on="postgresql")
def a_lock_held_during_other_work(engine):
    """The row stays locked while the program waits for something else."""
    with engine.begin() as connection:
        connection.execute(update(Author).where(Author.id == 1).values(name="author 1"))  # line
        time.sleep(0.6)  # a call to another service
        connection.execute(update(Author).where(Author.id == 2).values(name="author 2"))
