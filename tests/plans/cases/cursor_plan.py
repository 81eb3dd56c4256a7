from dataclasses import replace

from sqlalchemy.engine import Connection

import perfkit as pk
from perfkit.model.plan import AlternativePlan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.trace import Trace
from tests.plans.case import PlanCase, Recorder
from tests.plans.recording import explained

PREFIX = "EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON)"


def streamed(statement: str) -> Recorder:
    """Planned as it is, and beside it the plan by which a named cursor runs."""

    def record(connection: Connection) -> Trace:
        with connection.engine.connect() as other:
            other.exec_driver_sql("SET search_path TO shop")
            answer = other.exec_driver_sql(f"{PREFIX} DECLARE rows CURSOR WITH HOLD FOR {statement}").scalar()
        trace = explained(pk.explain(connection, statement))
        (plan,) = trace.plans or ()
        other_plan = AlternativePlan("cursor", read_postgresql_plan(answer), executions=1)
        return replace(
            trace,
            plans=(replace(plan, alternatives=(other_plan,)),),
            duration_ms=other_plan.plan.duration_ms or 0.0,
        )

    return record


CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, place int NOT NULL, payload text NOT NULL);
    INSERT INTO orders SELECT i, i * 7919::bigint % 300007, repeat('x', 60) FROM generate_series(1, 300000) i;
    CREATE INDEX ON orders (place);
    """,
    fires=streamed("SELECT id, place FROM orders WHERE mod(id, 2) = 0 ORDER BY place"),
    silent=streamed("SELECT id, place FROM orders WHERE id < 5000"),
    mentions="SET LOCAL cursor_tuple_fraction = 1.0;",
)
