"""Raw drivers: no SQLAlchemy in between."""

from tests.corpus.program import fires

N = "n-plus-one"


@fires(N, statements=9, on="postgresql")
def psycopg_in_a_loop(pg):
    """psycopg alone, on a connection that was open before."""
    for (key,) in pg.execute("SELECT id FROM authors").fetchall():  # cause, loop
        pg.execute("SELECT title FROM books WHERE author_id = %s", (key,)).fetchall()  # line


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
