from dataclasses import replace

from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.plan import AlternativePlan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Recorder
from tests.plans.recording import explained

PREFIX = "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON)"
FIRST_ORDERS = "SELECT * FROM orders WHERE status = {} ORDER BY id LIMIT 10"
EXECUTIONS = 12


def prepared(value: str) -> Recorder:
    """Planned for its value, and beside it the generic plan by which the prepared statement runs."""

    def record(connection: Connection) -> Trace:
        connection.exec_driver_sql(f"PREPARE first_orders AS {FIRST_ORDERS.format('$1')}")
        connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        answer = connection.exec_driver_sql(f"{PREFIX} EXECUTE first_orders ({value})").scalar()
        connection.exec_driver_sql("DEALLOCATE first_orders; RESET plan_cache_mode")
        trace = explained(pk.explain(connection, FIRST_ORDERS.format(value)))
        (plan,) = trace.plans or ()
        other = AlternativePlan("generic", read_postgresql_plan(answer), EXECUTIONS)
        return replace(
            trace,
            plans=(replace(plan, alternatives=(other,), executions=EXECUTIONS),),
            duration_ms=EXECUTIONS * (other.plan.duration_ms or 0.0),
        )

    return record


CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, payload text NOT NULL);
    -- The few refunded ones come last: any other status is soon found in the order of the key.
    INSERT INTO orders
        SELECT i, CASE WHEN i > 299800 THEN 'refunded' WHEN i % 2 = 0 THEN 'open' ELSE 'paid' END,
               repeat('x', 60)
        FROM generate_series(1, 300000) i;
    CREATE INDEX ON orders (status);
    """,
    fires=prepared("'refunded'"),
    silent=prepared("'paid'"),
    mentions="SET LOCAL plan_cache_mode = force_custom_plan;",
)
