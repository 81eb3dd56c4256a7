from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Statement

_INSERT = "INSERT INTO orders SELECT i, 1 + i % 2000 FROM generate_series(1, 20000) i"


def _checked_at_once(connection: Connection) -> Trace:
    """What is advised, done: the transaction checks each key as it is written."""
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
        return pk.explain(connection, _INSERT, analyze_writes=True).trace
    finally:
        connection.exec_driver_sql("ROLLBACK")


CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 2000) i;
    CREATE TABLE orders (
        id int PRIMARY KEY,
        user_id int NOT NULL CONSTRAINT orders_user REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED
    );
    """,
    fires=Statement(_INSERT, analyze_writes=True),
    silent=_checked_at_once,
    node="ModifyTable",
    mentions="SET CONSTRAINTS ALL IMMEDIATE;",
)
