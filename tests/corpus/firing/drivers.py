"""Raw drivers: no SQLAlchemy in between."""

import sqlite3
from contextlib import closing

import pandas

from tests.corpus.program import fires

N = "n-plus-one"


@fires(N, statements=9, on="postgresql")
def psycopg_in_a_loop(pg):
    """psycopg alone, on a connection that was open before."""
    for (key,) in pg.execute("SELECT id FROM authors").fetchall():  # cause, loop
        pg.execute("SELECT title FROM books WHERE author_id = %s", (key,)).fetchall()  # line


@fires(N, statements=33, on="postgresql")
def psycopg_in_nested_loops(pg):
    """Each of the two loops can ask for all of its rows at once."""
    for (key,) in pg.execute("SELECT id FROM authors").fetchall():  # cause, loop, inside
        books = pg.execute("SELECT id FROM books WHERE author_id = %s", (key,)).fetchall()  # cause, line
        for (book,) in books:  # loop
            pg.execute("SELECT stars FROM reviews WHERE book_id = %s", (book,)).fetchall()  # line


@fires(N, statements=8, on="postgresql")
def psycopg_with_a_cursor(pg):
    """One cursor, used again and again."""
    with pg.cursor() as cursor:
        for key in range(1, 9):  # loop
            cursor.execute("SELECT name FROM authors WHERE id = %(key)s", {"key": key})  # line
            cursor.fetchone()


@fires(N, statements=8, on="postgresql")
async def psycopg_async(apg):
    """psycopg's async connection."""
    for key in range(1, 9):  # loop
        await apg.execute("SELECT name FROM authors WHERE id = %s", (key,))  # line


@fires("write-loop", statements=9, on="postgresql")
def psycopg_insert_row_by_row(pg):
    """executemany, or COPY, would send them together."""
    for number in range(9):  # loop
        pg.execute("INSERT INTO events (kind) VALUES (%s)", (f"kind {number}",))  # line


@fires(N, statements=8, on="postgresql")
def psycopg_pipeline(pg):
    """A pipeline hides the waiting, not the statements."""
    with pg.pipeline():
        for key in range(1, 9):  # loop
            pg.execute("SELECT name FROM authors WHERE id = %s", (key,))  # line


@fires("duplicate-query", statements=8, on="postgresql")
def psycopg_asks_the_same(pg):
    """The same question eight times."""
    for _ in range(8):  # loop
        pg.execute("SELECT value FROM settings WHERE name = %s", ("vat",)).fetchone()  # line


@fires(N, statements=9)
def sqlite3_in_a_loop(lite):
    """sqlite3 alone, on a connection that was open before: its classes cannot be patched."""
    for (key,) in lite.execute("SELECT id FROM authors").fetchall():  # loop
        lite.execute("SELECT title FROM books WHERE author_id = ?", (key,)).fetchall()  # line


@fires("write-loop", statements=9)
def sqlite3_insert_row_by_row(lite):
    """executemany would do."""
    for number in range(9):  # loop
        lite.execute("INSERT INTO events (kind) VALUES (?)", (f"kind {number}",))  # line


@fires(N, statements=8)
def sqlite3_opened_inside(path):
    """The connection is opened by the program itself."""
    with closing(sqlite3.connect(path)) as connection:
        cursor = connection.cursor()
        for key in range(1, 9):  # loop
            cursor.execute("SELECT name FROM authors WHERE id = ?", (key,))  # line
            cursor.fetchone()


@fires(N, statements=8)
def pandas_on_sqlite3(lite):
    """pandas reads through the driver, one key at a time."""
    for key in range(1, 9):  # loop
        pandas.read_sql_query("SELECT title FROM books WHERE author_id = ?", lite, params=(key,))  # line


@fires(N, statements=9, on="postgresql")
async def asyncpg_in_a_loop(asyncpg):
    """asyncpg alone, on a connection that was open before."""
    for row in await asyncpg.fetch("SELECT id FROM authors"):  # cause, loop
        await asyncpg.fetch("SELECT title FROM books WHERE author_id = $1", row["id"])  # line


@fires("write-loop", statements=9, on="postgresql")
async def asyncpg_insert_row_by_row(asyncpg):
    """executemany, or copy_records_to_table, would send them together."""
    for number in range(9):  # loop
        await asyncpg.execute("INSERT INTO events (kind) VALUES ($1)", f"kind {number}")  # line
