"""One large table and one of people on the embedded server, and the eight statements of the advisors' table.

The statements and what advisors propose for them are those of the reference notes on EXPLAIN, section 5. Data
that advisors get wrong is ordinary: many tenants, a rare status, dates in the order of insertion, and texts
in an order of the operating system, in which no plain index finds the beginning of one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine

_DATABASE = "perfkit_bench_advisors"
_SETUP = (
    """
    CREATE TABLE orders (
        id int PRIMARY KEY, tenant int NOT NULL, customer_id int NOT NULL, status text NOT NULL,
        amount int NOT NULL, created_at timestamp NOT NULL, note text NOT NULL
    )
    """,
    """
    INSERT INTO orders
    SELECT i, 1 + hashint4(i) % 285 + 284, 1 + abs(hashint4(i + 1) % 200),
           CASE WHEN i % 1000 = 0 THEN 'refunded' WHEN i % 10 = 0 THEN 'open' ELSE 'paid' END,
           abs(hashint4(i + 2) % 100000), timestamp '2024-01-01' + i * interval '45 seconds',
           repeat(md5(i::text), 3)
    FROM generate_series(1, {rows}) i
    """,
    "CREATE INDEX orders_customer_id ON orders (customer_id)",
    "CREATE INDEX orders_created_at ON orders (created_at)",
    "CREATE COLLATION system_order (provider = libc, locale = 'C.UTF-8')",
    "CREATE TABLE people (id int PRIMARY KEY, email text COLLATE system_order NOT NULL, name text NOT NULL)",
    """
    INSERT INTO people
    SELECT i, md5(i::text) || '@Example.org', repeat('name ', 12) FROM generate_series(1, {rows} / 10) i
    """,
    "VACUUM ANALYZE orders, people",
)


@dataclass(frozen=True)
class Case:
    """A statement, and what an advisor reads of it: columns compared for equality, ranges, and the order.

    `patterns` are columns that the text compares with the beginning of a text, as a range to some advisors.
    """

    name: str
    sql: str
    table: str = "orders"
    equal: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


CASES = (
    Case(
        "equality, range, order, limit",
        "SELECT * FROM orders WHERE tenant = 7 AND created_at >= '2024-04-01' ORDER BY amount DESC LIMIT 10",
        equal=("tenant",), ranges=("created_at",), order=("amount",),
    ),
    Case(
        "equality, order, limit, few rows",
        "SELECT * FROM orders WHERE tenant = 99 AND status = 'refunded' ORDER BY amount LIMIT 5",
        equal=("tenant", "status"), order=("amount",),
    ),
    Case(
        "two equalities, order",
        "SELECT * FROM orders WHERE customer_id = 5 AND status = 'open' ORDER BY amount DESC LIMIT 20",
        equal=("customer_id", "status"), order=("amount",),
    ),
    Case(
        "lower(email)",
        "SELECT * FROM people WHERE lower(email) = 'c4ca4238a0b923820dcc509a6f75849b@example.org'",
        table="people",
    ),
    Case(
        "like 'abc%'",
        "SELECT * FROM people WHERE email LIKE 'c4ca4%'",
        table="people", patterns=("email",),
    ),
    Case(
        "rare status",
        "SELECT * FROM orders WHERE status = 'refunded' ORDER BY amount DESC LIMIT 20",
        equal=("status",), order=("amount",),
    ),
    Case("sum, covering", "SELECT sum(amount) FROM orders WHERE tenant = 7", equal=("tenant",)),
    Case(
        "mixed directions",
        "SELECT * FROM orders WHERE tenant = 7 ORDER BY status, amount DESC LIMIT 10",
        equal=("tenant",), order=("status", "amount"),
    ),
)  # fmt: skip


@contextmanager
def database(rows: int) -> Iterator[Engine]:
    """A database of its own on the embedded server, dropped in the end."""
    from perfkit.lab.server import embedded_server
    from perfkit.lab.shop import embedded_url

    server = embedded_server()
    with server.connect() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {_DATABASE}")
    engine = create_engine(embedded_url(server, _DATABASE))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in _SETUP:
                connection.exec_driver_sql(
                    statement.format(rows=rows), execution_options={"no_parameters": True}
                )
        yield engine
    finally:
        engine.dispose()
        with server.connect() as admin:
            admin.execute(f"DROP DATABASE {_DATABASE} WITH (FORCE)")
