"""Self times add up on real plans, recorded live: whatever the shape, and whatever runs in parallel."""

import pytest
from sqlalchemy import Engine, create_engine

from perfkit.model.plan import Plan
from perfkit.model.plan_reader import read_postgresql_plan

READS = {
    "parallel aggregate": "SELECT count(*), sum(amount) FROM orders WHERE city LIKE '%9'",
    "InitPlan in the select list": "SELECT id, (SELECT max(amount + 0) FROM orders) FROM customers",
    "InitPlan in a filter": "SELECT count(*) FROM orders WHERE amount > (SELECT avg(amount) FROM orders)",
    "InitPlan in LIMIT": "SELECT * FROM orders ORDER BY id LIMIT (SELECT count(*) / 100 FROM orders)",
    "InitPlan in an index condition": (
        "SELECT count(*) FROM orders WHERE amount = (SELECT max(amount + 0) FROM orders) AND city LIKE '%1'"
    ),
    "InitPlan within an InitPlan": (
        "SELECT (SELECT sum(amount) FROM orders) + "
        "(SELECT sum(amount + 1) FROM orders WHERE id > (SELECT avg(id) FROM orders))"
    ),
    "InitPlan in ORDER BY": "SELECT id FROM customers ORDER BY id + (SELECT count(*) FROM orders)",
    "InitPlans in Append": (
        "SELECT id FROM orders WHERE amount > (SELECT avg(amount) FROM orders) "
        "UNION ALL SELECT id FROM customers WHERE id > (SELECT avg(amount) FROM orders)"
    ),
    "CTE read twice": (
        "WITH o AS MATERIALIZED (SELECT * FROM orders WHERE amount > 100) "
        "SELECT count(*) FROM o a JOIN o b USING (id) WHERE a.amount > 4000"
    ),
    "CTE read by a CTE": (
        "WITH a AS MATERIALIZED (SELECT * FROM orders), b AS MATERIALIZED (SELECT * FROM a WHERE amount > 5) "
        "SELECT count(*) FROM b JOIN a USING (id)"
    ),
    "two CTEs of one name": (
        "WITH a AS MATERIALIZED (SELECT * FROM orders) SELECT count(*), "
        "(WITH a AS MATERIALIZED (SELECT * FROM customers) SELECT count(*) FROM a) FROM a"
    ),
    "recursive CTE": (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 20000) "
        "SELECT count(*) FROM r"
    ),
    "SubPlan for each row": (
        "SELECT c.id, (SELECT max(o.amount) FROM orders o WHERE o.id = c.id) FROM customers c"
    ),
    "hashed SubPlan": (
        "SELECT count(*) FROM orders WHERE customer_id NOT IN (SELECT id FROM customers WHERE id > 100)"
    ),
    "bitmap": "SELECT sum(id) FROM orders WHERE amount BETWEEN 10 AND 900",
    "BitmapOr": "SELECT sum(id) FROM orders WHERE amount = 10 OR id < 500 OR amount BETWEEN 40 AND 300",
    "hash join": (
        "SELECT c.name, sum(o.amount) FROM orders o JOIN customers c ON c.id = o.customer_id "
        "GROUP BY 1 ORDER BY 2"
    ),
    "sort on disk": "SELECT * FROM orders ORDER BY city, zip, created_at",
    "lateral": (
        "SELECT count(*) FROM customers c "
        "JOIN LATERAL (SELECT * FROM orders o WHERE o.amount = c.id LIMIT 3) x ON true"
    ),
    "never executed": "SELECT * FROM orders WHERE false",
}
WRITES = {
    "writable CTE that nobody reads": (
        "WITH u AS (UPDATE watched SET value = value + 1 RETURNING id) SELECT count(*) FROM customers"
    ),
    "writable CTE read to its end": (
        "WITH u AS (UPDATE watched SET value = value + 1 RETURNING id) SELECT count(*) FROM u"
    ),
    "writable CTE cut by LIMIT": (
        "WITH u AS (UPDATE watched SET value = value + 1 RETURNING id) SELECT * FROM u LIMIT 1"
    ),
    "trigger": "UPDATE watched SET value = value + 1",
}
SETTINGS = {
    "as it comes": "",
    "parallel": (
        "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
        "SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 3"
    ),
    "parallel without the leader, by indexes": (
        "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
        "SET LOCAL enable_seqscan = off; SET LOCAL parallel_leader_participation = off; "
        "SET LOCAL min_parallel_index_scan_size = 0"
    ),
}


def record(engine: Engine, statement: str, options: str, settings: str = "") -> Plan:
    with engine.connect() as connection:
        if settings:
            connection.exec_driver_sql(settings)
        answer = connection.exec_driver_sql(
            f"EXPLAIN ({options}, FORMAT JSON) {statement}", execution_options={"no_parameters": True}
        ).scalar()
        connection.rollback()
    return read_postgresql_plan(answer, statement)


def assert_adds_up(plan: Plan) -> None:
    whole = (plan.root.total_time_ms or 0.0) + plan.after_query_ms
    parts = sum(node.self_time_ms or 0.0 for node in plan.nodes())
    rounding = sum(node.rounding_ms for node in plan.nodes())
    assert abs(parts - whole) <= 0.02 * whole + 0.1 + rounding


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("statement", READS.values(), ids=READS)
def test_self_times_add_up_to_the_root(plan_engine, statement, settings):
    for options in ("ANALYZE, VERBOSE", "ANALYZE"):
        assert_adds_up(record(plan_engine, statement, options, settings))


@pytest.fixture(scope="module")
def written(plan_server):
    """Writes leave dead rows behind even when rolled back, so they have an engine of their own."""
    engine = create_engine(plan_server)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("statement", WRITES.values(), ids=WRITES)
def test_self_times_of_writes_add_up_with_what_ran_after_the_query(written, statement):
    plan = record(written, statement, "ANALYZE, VERBOSE")
    assert_adds_up(plan)
    assert [trigger.name for trigger in plan.triggers] == ["watch"]
    outside = sum(item.time_ms for item in plan.outside_times if item.name != "planning")
    assert plan.root.total_time_ms + outside == pytest.approx(plan.execution_time_ms, abs=0.01)


def test_what_a_writable_cte_does_after_the_query_stands_outside_the_nodes(written):
    plan = record(written, WRITES["writable CTE that nobody reads"], "ANALYZE")
    assert plan.after_query_ms > (plan.root.total_time_ms or 0.0)
    assert "after the main query" in [item.name for item in plan.outside_times]


def test_the_blocks_of_all_nodes_add_up_to_those_of_the_root(plan_engine):
    plan = record(plan_engine, READS["hash join"], "ANALYZE, BUFFERS")
    assert sum(node.self_buffers.shared for node in plan.nodes()) == plan.root.buffers.shared > 0


def test_a_plan_without_timing_has_rows_but_no_times(plan_engine):
    plan = record(plan_engine, READS["bitmap"], "ANALYZE, TIMING OFF, BUFFERS")
    assert plan.analyzed
    assert plan.root.total_rows == 1
    assert plan.root.self_time_ms is None
    assert plan.execution_time_ms > 0
