from threading import Thread

from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Statement
from tests.plans.recording import explained

CHANGE = "UPDATE shop.accounts SET balance = balance - 10 WHERE id = 1"


def while_another_holds_the_row(connection: Connection) -> Trace:
    """The other transaction is open for 0.4 s more."""
    with (
        connection.engine.connect() as other,
        other.execution_options(isolation_level="READ COMMITTED").begin(),
    ):
        other.exec_driver_sql(CHANGE)
        holding = Thread(target=_end_later, args=(other,))
        holding.start()
        result = pk.explain(connection, CHANGE, analyze_writes=True)
        holding.join()
    return explained(result)


def _end_later(other: Connection) -> None:
    other.exec_driver_sql("SELECT pg_sleep(0.4)")
    other.rollback()


CASE = PlanCase(
    setup="""
    CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
    INSERT INTO accounts SELECT i, 1000 FROM generate_series(1, 1000) i;
    """,
    fires=while_another_holds_the_row,
    silent=Statement(CHANGE, analyze_writes=True),
    node="ModifyTable",
    mentions="pg_blocking_pids",
)
