"""The plan of a prepared statement and of a named cursor stand beside the custom plan where they differ."""

import asyncio

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.plans import explain_samples
from perfkit.capture.queries import QueryCollector
from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.plan_node import PlanNode

# With its values the whole table is read; for any value, an index is expected to spare two thirds of that.
BY_STATUS = text("SELECT * FROM orders WHERE status = :status AND id > :id")
VALUES = {"status": "refunded", "id": 34711}
PREPARED = "SELECT name, statement FROM pg_prepared_statements ORDER BY name"


@pytest.fixture
def engine(plan_server, plan_engine):
    """One connection, so that the plan is asked for where the statement was prepared."""
    engine = create_engine(plan_server, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


def plans_of(run):
    collector = QueryCollector(keep_samples=True)
    collector.start()
    try:
        run()
    finally:
        log = collector.stop()
    plans, notes = explain_samples(log.samples)
    assert notes == ()
    return plans


def send(engine, times, statement=BY_STATUS, **values):
    values = values or VALUES

    def run():
        with engine.connect() as connection:
            for _ in range(times):
                connection.execute(statement, values).close()
            connection.commit()

    return run


def prepared(engine):
    with engine.connect() as connection:
        found = connection.exec_driver_sql(PREPARED).all()
        connection.commit()
    return [tuple(row) for row in found]


def generic_of(engine):
    """The plan of a statement whose generic plan differs and is taken, as it seems cheaper."""
    return plans_of(send(engine, 30))


def test_a_statement_that_went_generic_has_its_generic_plan_beside_it(engine):
    (plan,) = generic_of(engine)
    (other,) = plan.alternatives
    assert other.kind == "generic"
    assert 0 < other.executions <= 30
    assert other.plan.analyzed
    assert other.plan.query_text == plan.query_text
    assert "$1" in str([node.attributes for node in other.plan.nodes()])
    assert shape(other.plan.root) != shape(plan.root)


def shape(node: PlanNode):
    return node.node_type, node.index_name, tuple(shape(child) for child in node.children)


def test_the_other_plan_survives_json_and_holds_no_values(engine):
    (plan,) = generic_of(engine)
    saved = codec.dumps(trace(plans=(plan,)))
    assert codec.loads(saved).plans[0].alternatives == plan.alternatives
    assert "34711" not in saved
    assert "refunded" not in saved


def test_prepared_statements_are_left_as_they_were(engine):
    send(engine, 30)()
    before = prepared(engine)
    assert len(before) == 1
    for _ in range(8):
        generic_of(engine)
    assert prepared(engine) == before


def test_a_statement_that_was_not_prepared_has_no_other_plan(engine):
    (plan,) = plans_of(send(engine, 3))
    assert plan.alternatives == ()


def test_a_statement_that_keeps_its_custom_plan_has_no_other_plan(engine):
    statement = text("SELECT * FROM orders WHERE id BETWEEN :low AND :high")
    (plan,) = plans_of(send(engine, 30, statement, low=1, high=2))
    assert plan.alternatives == ()


def test_a_generic_plan_that_does_the_same_is_no_other_plan(engine):
    (plan,) = plans_of(send(engine, 30, text("SELECT * FROM orders WHERE id = :id"), id=4711))
    with engine.connect() as connection:
        counted = connection.exec_driver_sql("SELECT max(generic_plans) FROM pg_prepared_statements").scalar()
        connection.commit()
    assert counted > 0
    assert plan.alternatives == ()


def test_a_write_that_went_generic_is_not_executed(engine):
    statement = text("UPDATE watched SET value = value WHERE id = :id AND false")
    (plan,) = plans_of(send(engine, 30, statement, id=3))
    assert not plan.analyzed
    assert all(not other.plan.analyzed for other in plan.alternatives)


# Half of the table: a bitmap has to be complete before its first row comes, and a cursor wants that soon.
CURSOR = text("SELECT * FROM orders WHERE amount < :amount")


def stream(engine, statement=CURSOR, **values):
    def run():
        with engine.connect().execution_options(stream_results=True) as connection:
            connection.execute(statement, values or {"amount": 2500}).all()

    return run


def test_a_named_cursor_has_its_own_plan_beside_the_custom_one(engine):
    (plan,) = plans_of(stream(engine))
    (other,) = plan.alternatives
    assert (other.kind, other.executions) == ("cursor", 1)
    assert other.plan.analyzed
    assert other.plan.query_text == plan.query_text
    assert "DECLARE" not in other.plan.query_text


def test_the_same_statement_without_a_cursor_has_one_plan(engine):
    (plan,) = plans_of(send(engine, 1, CURSOR, amount=2500))
    assert plan.alternatives == ()


def test_a_cursor_that_is_planned_alike_is_no_other_plan(engine):
    (plan,) = plans_of(stream(engine, text("SELECT * FROM orders WHERE id = :id"), id=3))
    assert plan.alternatives == ()


def test_no_cursor_is_left_open(engine):
    plans_of(stream(engine))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_cursors").scalar() == 0


def test_an_async_engine_is_asked_on_a_connection_that_knows_of_no_prepared_statement(
    plan_server, plan_engine
):
    async_engine = create_async_engine(plan_server, pool_size=1, max_overflow=0)

    async def work():
        async with async_engine.connect() as connection:
            for _ in range(30):
                await connection.execute(BY_STATUS, VALUES)
            await connection.commit()
        await async_engine.dispose()

    (plan,) = plans_of(lambda: asyncio.run(work()))
    assert plan.alternatives == ()
