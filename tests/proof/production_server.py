"""PostgreSQL 18, which can be told statistics, with small tables; and what it must keep."""

from collections.abc import Iterator

import own_server
import pytest
from sqlalchemy import Engine, create_engine
from what_if_sql import ask, send

from perfkit.lab.binaries import find_binaries

SETUP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 1000) i;
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers (id), status text NOT NULL,
    created_at timestamp NOT NULL
);
INSERT INTO orders
    SELECT i, 1 + (i * 7919) % 1000, CASE WHEN i % 100 = 0 THEN 'open' ELSE 'paid' END,
           timestamp '2025-01-01' + i * interval '1 minute'
    FROM generate_series(1, 20000) i;
CREATE INDEX ON orders (customer_id);
CREATE TABLE letters (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers (id));
INSERT INTO letters SELECT i, i % 1000 + 1 FROM generate_series(1, 3000) i;
CREATE INDEX ON letters (customer_id);
CREATE SCHEMA "odd ""one%s";
CREATE TABLE "odd ""one%s"."t <b>" AS SELECT i AS "id x" FROM generate_series(1, 5000) i;
CREATE TABLE fresh (id int);
INSERT INTO fresh SELECT i FROM generate_series(1, 100) i;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE ROLE reader LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ALTER SYSTEM SET autovacuum = off;
"""
_STATE = """
SELECT (SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database),
       (SELECT md5(string_agg(c::text, '|' ORDER BY oid)) FROM pg_class c),
       (SELECT md5(string_agg(s::text, '|' ORDER BY starelid, staattnum)) FROM pg_statistic s),
       (SELECT md5(string_agg(o::text, '|' ORDER BY id)) FROM orders o),
       (SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'i')),
       (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%')
"""


@pytest.fixture(scope="session")
def production_server() -> Iterator[str]:
    """The address of the server, filled once."""
    for url in own_server.running(find_binaries()):
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in filter(str.strip, SETUP.split(";\n")):
                send(connection, statement)
            send(connection, 'VACUUM ANALYZE customers, orders, letters, "odd ""one%s"."t <b>"')
            send(connection, "SELECT pg_reload_conf()")
        engine.dispose()
        yield url


@pytest.fixture
def production_engine(production_server: str) -> Iterator[Engine]:
    """An engine on a server that must be afterwards what it was before, with no database more."""
    engine = create_engine(production_server)
    before = state(engine)
    yield engine
    assert state(engine) == before
    engine.dispose()


def state(engine: Engine) -> tuple[object, ...]:
    """A fingerprint of the databases, the catalogue, the statistics, the rows and the sizes."""
    with engine.connect() as connection:
        return tuple(ask(connection, _STATE))
