"""Many rows written together, and statements that are no data at all."""

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from tests.corpus.models import Author, Event
from tests.corpus.program import silent


@silent(statements=40)
def flush_of_many_rows(session):
    """SQLite inserts row by row to learn the keys; the program asked once."""
    session.add_all([Event(kind=f"kind {number}") for number in range(40)])
    session.flush()


@silent(statements=1, on="postgresql")
def flush_of_many_rows_on_postgresql(session):
    """SQLAlchemy packs forty rows into one INSERT with many values."""
    session.add_all([Event(kind=f"kind {number}") for number in range(40)])
    session.flush()


@silent(statements=3, on="postgresql")
def insertmanyvalues_in_batches(connection):
    """1,200 rows with RETURNING go in batches: the same statement, sent by one call."""
    rows = [{"kind": f"kind {number}"} for number in range(2500)]
    connection.execute(insert(Event).returning(Event.id), rows).all()


@silent(statements=1, executions=9)
def executemany(connection):
    """One call with a list: one statement, nine parameter sets."""
    connection.execute(insert(Event), [{"kind": f"kind {number}"} for number in range(9)])


@silent(statements=1, executions=9, on="postgresql")
def executemany_on_postgresql(connection):
    """psycopg sends the nine sets in a pipeline."""
    statement = text("INSERT INTO events (kind) VALUES (:kind)")
    connection.execute(statement, [{"kind": f"kind {number}"} for number in range(9)])


@silent(statements=1, executions=8)
def bulk_update_by_key(session):
    """An UPDATE with a list of dictionaries: one call."""
    session.execute(update(Author), [{"id": key, "name": f"name {key}"} for key in range(1, 9)])


@silent(statements=3, executions=300)
def chunks_of_rows(engine):
    """300 rows in three transactions: each commit ends a chunk."""
    for start in range(0, 300, 100):
        with engine.begin() as connection:
            connection.execute(insert(Event), [{"kind": f"kind {start + n}"} for n in range(100)])


@silent(statements=4)
def one_commit_for_all(engine):
    """Objects are added in a loop, and written together at the end."""
    with Session(engine) as session:
        for number in range(4):
            session.add(Event(kind=f"kind {number}"))
        session.commit()


@silent(statements=9)
def savepoints(connection):
    """A savepoint around each of three writes, so that one may fail alone."""
    for number in range(3):
        with connection.begin_nested():
            connection.execute(insert(Event).values(kind=f"kind {number}"))


@silent(statements=0)
def transaction_control(connection):
    """BEGIN and ROLLBACK frame statements; they are none."""
    for _ in range(12):
        with connection.begin():
            pass


@silent(statements=6)
def tables_in_a_loop(connection):
    """DDL cannot be batched."""
    for number in range(6):
        connection.execute(text(f"CREATE TABLE archive_{number} (id INTEGER PRIMARY KEY)"))


@silent(statements=3, on="postgresql")
def temporary_tables(connection):
    """A temporary table is made, filled and read."""
    connection.execute(text("CREATE TEMP TABLE picked (id int) ON COMMIT DROP"))
    connection.execute(text("INSERT INTO picked SELECT id FROM authors"))
    connection.execute(text("SELECT count(*) FROM picked")).scalar()


@silent(statements=6, on="postgresql")
def settings_of_the_transaction(connection):
    """SET LOCAL in a loop sets something; it asks nothing."""
    for milliseconds in range(100, 700, 100):
        connection.execute(text(f"SET LOCAL statement_timeout = {milliseconds}"))


@silent(statements=6, on="postgresql")
def advisory_locks(connection):
    """Locks of the application, taken one by one in order."""
    for key in range(6):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


@silent(statements=2)
def read_then_write(session):
    """One object is read, changed and written."""
    author = session.scalars(select(Author).where(Author.id == 1)).one()
    author.name = "another name"
    session.commit()


@silent(statements=13, on="postgresql")
def a_job_queue(engine):
    """A worker takes one job after another: each has to be a transaction of its own."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events (kind) SELECT 'job' FROM generate_series(1, 6)"))
    job = text("SELECT id FROM events WHERE kind = 'job' LIMIT 1 FOR UPDATE SKIP LOCKED")
    for _ in range(6):
        with engine.begin() as connection:
            key = connection.execute(job).scalar()
            connection.execute(text("UPDATE events SET kind = 'done' WHERE id = :key"), {"key": key})


@silent(statements=14, on="postgresql")
def a_job_queue_of_objects(session):
    """The same through the ORM: the commit sends the UPDATE."""
    session.add_all([Event(kind="job") for _ in range(6)])
    session.commit()
    job = select(Event).where(Event.kind == "job").limit(1).with_for_update(skip_locked=True)
    while event := session.scalars(job).first():
        event.kind = "done"
        session.commit()
