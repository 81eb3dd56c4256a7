"""Raw drivers, used well."""

from tests.corpus.program import silent


@silent(statements=1, executions=9, on="postgresql")
def psycopg_executemany(pg):
    """Nine rows in a pipeline, by one call."""
    with pg.cursor() as cursor:
        rows = [(f"kind {number}",) for number in range(9)]
        cursor.executemany("INSERT INTO events (kind) VALUES (%s)", rows)


@silent(statements=1, on="postgresql")
def psycopg_copy(pg):
    """A thousand rows by one COPY."""
    with pg.cursor() as cursor, cursor.copy("COPY events (kind) FROM STDIN") as copy:
        for number in range(1000):
            copy.write_row((f"kind {number}",))


@silent(statements=1, on="postgresql")
def psycopg_named_cursor(pg):
    """A named cursor is read in portions: one statement."""
    with pg.cursor(name="portions") as cursor:
        cursor.itersize = 100
        cursor.execute("SELECT id FROM sensors")
        for _ in cursor:
            pass


@silent(statements=2, on="postgresql")
def psycopg_list_of_keys(pg):
    """The keys of the first statement go into the second as one array."""
    keys = [key for (key,) in pg.execute("SELECT id FROM authors")]
    pg.execute("SELECT title FROM books WHERE author_id = ANY(%s)", (keys,)).fetchall()


@silent(statements=6, on="postgresql")
def psycopg_keyset_walk(pg):
    """Page after page by the last key."""
    last = 0
    for _ in range(6):
        rows = pg.execute("SELECT id FROM sensors WHERE id > %s ORDER BY id LIMIT 200", (last,)).fetchall()
        last = rows[-1][0]


@silent(statements=2, on="postgresql")
async def psycopg_async_two_lines(apg):
    """Two lines of a coroutine."""
    await apg.execute("SELECT name FROM authors WHERE id = %s", (1,))
    await apg.execute("SELECT name FROM authors WHERE id = %s", (2,))


@silent(statements=9, on="postgresql")
def psycopg_savepoints(pg):
    """A nested transaction for each of three rows."""
    with pg.transaction():
        for number in range(3):
            with pg.transaction():
                pg.execute("INSERT INTO events (kind) VALUES (%s)", (f"kind {number}",))


@silent(statements=1, executions=9)
def sqlite3_executemany(lite):
    """Nine rows by one call."""
    lite.executemany("INSERT INTO events (kind) VALUES (?)", [(f"kind {n}",) for n in range(9)])


@silent(statements=1)
def sqlite3_rows_in_a_loop(lite):
    """One result, read row by row."""
    for (key,) in lite.execute("SELECT id FROM sensors"):
        str(key)


@silent(statements=6)
def sqlite3_offset_walk(lite):
    """Page by page by OFFSET."""
    for skip in range(0, 1200, 200):
        lite.execute("SELECT id FROM sensors ORDER BY id LIMIT 200 OFFSET ?", (skip,)).fetchall()


@silent(statements=2)
def sqlite3_two_lines(lite):
    """Two lines, two keys."""
    lite.execute("SELECT name FROM authors WHERE id = ?", (1,)).fetchone()
    lite.execute("SELECT name FROM authors WHERE id = ?", (2,)).fetchone()


@silent(statements=2, on="postgresql")
async def asyncpg_two_lines(asyncpg):
    """Two lines, two keys."""
    await asyncpg.fetchval("SELECT name FROM authors WHERE id = $1", 1)
    await asyncpg.fetchval("SELECT name FROM authors WHERE id = $1", 2)


@silent(statements=1, on="postgresql")
async def asyncpg_executemany(asyncpg):
    """Nine rows by one call, which asyncpg sends in one go."""
    rows = [(f"kind {number}",) for number in range(9)]
    await asyncpg.executemany("INSERT INTO events (kind) VALUES ($1)", rows)
