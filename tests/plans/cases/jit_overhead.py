from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Recorder
from tests.plans.recording import explained
from tests.plans.servers import debian_postgresql

SETUP = """
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, amount int NOT NULL);
INSERT INTO orders SELECT i, i % 500, i % 5000 FROM generate_series(1, 20000) i;
"""
REPORT = """
SELECT user_id, sum(amount), avg(amount * 2 + 1), max(abs(amount - 50)), min(length(amount::text))
FROM orders WHERE amount > 3 AND user_id <> 7 GROUP BY user_id
"""


def compiled_from(cost: int) -> Recorder:
    """The embedded server cannot compile, Debian's PostgreSQL 15 can; `cost` is from where on it does."""

    def record(_: Connection) -> Trace:
        with debian_postgresql(SETUP) as connection:
            for setting in ("jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost"):
                connection.exec_driver_sql(f"SET {setting} = {cost}")
            connection.exec_driver_sql(REPORT)
            return explained(pk.explain(connection, REPORT))

    return record


CASE = PlanCase(
    setup="", fires=compiled_from(10), silent=compiled_from(100_000), mentions="SET LOCAL jit = off;"
)
