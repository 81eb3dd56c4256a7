"""With auto_explain, the plans are those of the run itself: nothing is executed twice, nothing stays set."""

import asyncio

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture._auto_plans import AutoPlans
from perfkit.model import codec
from perfkit.session import measure

BY_ID = text("SELECT * FROM orders WHERE id = :id")
SETTINGS = """
SELECT current_setting('auto_explain.log_min_duration', true), current_setting('client_min_messages'),
       current_setting('auto_explain.log_level', true)
"""


@pytest.fixture
def engine(debian_cluster):
    engine = create_engine(debian_cluster.url, pool_size=1, max_overflow=0)
    yield engine
    engine.dispose()


def measured(run):
    with measure("block", plans="auto") as block:
        run()
    return block.trace


def test_each_statement_has_the_plan_of_its_own_run_and_none_is_sent_twice(engine, debian_cluster):
    def work():
        with engine.connect() as connection:
            for number in range(7):
                connection.execute(BY_ID, {"id": 34711 + number}).all()
            connection.exec_driver_sql("SELECT count(*) FROM orders WHERE city LIKE 'city 1%%'").all()

    since = len(debian_cluster.log)
    trace = measured(work)
    assert [plan.executions for plan in trace.plans] == [1, 7]
    assert all(plan.analyzed and plan.execution_time_ms > 0 for plan in trace.plans)
    assert all("of the run itself" in plan.notes[0] for plan in trace.plans)
    assert len(trace.queries) == 8
    assert {plan.fingerprint for plan in trace.plans} == {query.fingerprint for query in trace.queries}
    assert all(plan.call_site is not None for plan in trace.plans)
    assert "EXPLAIN" not in debian_cluster.log[since:]


def test_values_are_not_in_the_trace(engine):
    statement = text("SELECT * FROM orders WHERE status = :status AND id > :id")
    values = {"status": "refunded", "id": 34711}  # not on the line that is shown

    def work():
        with engine.connect() as connection:
            connection.execute(statement, values).all()

    trace = measured(work)
    assert trace.plans[0].root.total_rows == 166
    assert "34711" not in codec.dumps(trace)
    assert "refunded" not in codec.dumps(trace)


def test_a_write_has_the_plan_of_the_write_that_was_made(engine):
    def work():
        with engine.connect() as connection:
            connection.execute(text("UPDATE watched SET value = value WHERE id <= :n"), {"n": 2})
            connection.rollback()

    plans = measured(work).plans
    assert plans[0].root.node_type == "ModifyTable"
    assert plans[0].analyzed
    assert [trigger.calls for trigger in plans[0].triggers] == [2]


def test_statements_inside_functions_are_caught_and_name_their_caller(engine):
    def work():
        with engine.connect() as connection:
            connection.execute(text("UPDATE watched SET value = value WHERE id <= 3"))
            connection.rollback()

    nested = measured(work).plans[1]
    assert nested.query_text == "INSERT INTO audit (entry) VALUES ('changed')"
    assert nested.executions == 3
    assert nested.notes[0].startswith("Ran inside a function that was called by: UPDATE watched")


def test_a_named_cursor_has_its_own_plan(engine):
    def work():
        with engine.connect().execution_options(stream_results=True) as connection:
            connection.execute(text("SELECT * FROM orders WHERE amount < 2500")).all()

    (plan,) = measured(work).plans
    assert plan.analyzed
    assert "of the run itself" in plan.notes[0]


def test_nothing_stays_set_and_no_handler_stays(engine):
    was_heard = Engine._has_events
    with engine.connect() as connection:
        before = connection.exec_driver_sql(SETTINGS).one()
        driver_connection = connection.connection.driver_connection
        handlers = list(driver_connection._notice_handlers)
        connection.rollback()

        def work():
            connection.execute(BY_ID, {"id": 1}).all()
            connection.commit()
            connection.execute(BY_ID, {"id": 2}).all()
            connection.rollback()
            connection.execute(BY_ID, {"id": 3}).all()

        assert measured(work).plans[0].executions == 3
        # The transaction is still open: only that of the block knows auto_explain, and it is off.
        assert connection.exec_driver_sql("SHOW auto_explain.log_min_duration").scalar() == "-1"
        connection.rollback()
        assert connection.exec_driver_sql(SETTINGS).one()[1] == before[1]
        assert connection.exec_driver_sql("SHOW auto_explain.log_min_duration").scalar() == "-1"
        connection.rollback()
    assert driver_connection._notice_handlers == handlers
    assert not Engine.dispatch.before_cursor_execute._clslevel.get(Engine)
    assert Engine._has_events is was_heard


def test_a_transaction_that_is_open_before_the_block_goes_on(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine AS SELECT 1 AS id")
        plans = measured(lambda: connection.exec_driver_sql("SELECT * FROM mine").all()).plans
        assert plans[0].root.relation_name == "mine"
        assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 1
        connection.rollback()


def test_the_isolation_level_of_a_transaction_can_still_be_chosen(engine):
    def work():
        with engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "serializable"

    assert measured(work).error is None


def test_an_async_engine_is_listened_to_as_well(debian_cluster):
    async_engine = create_async_engine(debian_cluster.url)

    async def work():
        async with async_engine.connect() as connection:
            for number in range(3):
                await connection.execute(BY_ID, {"id": number})
        await async_engine.dispose()

    plans = measured(lambda: asyncio.run(work())).plans
    assert [plan.executions for plan in plans] == [3]
    assert "of the run itself" in plans[0].notes[0]


def test_where_it_is_not_to_be_had_plans_are_asked_for_afterwards_and_a_note_says_so(plan_engine):
    def work():
        with plan_engine.connect() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE mine AS SELECT 1 AS id")
            connection.execute(BY_ID, {"id": 5}).all()
            assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 1

    trace = measured(work)
    assert BY_ID.text.split(" WHERE")[0] in " ".join(plan.query_text for plan in trace.plans)
    assert sum("auto_explain cannot be used here" in note for note in trace.notes) == 1


def test_a_user_who_may_not_load_it_is_told_so(debian_cluster, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE visitor LOGIN")
    visitor = create_engine(debian_cluster.url.replace("postgres@", "visitor@"))

    def work():
        with visitor.connect() as connection:
            connection.exec_driver_sql("SELECT 1").all()

    trace = measured(work)
    assert len(trace.plans) == 1
    assert any(
        "auto_explain cannot be used here: access to library" in note or "permission denied" in note
        for note in trace.notes
    )
    visitor.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE visitor")


def test_in_autocommit_plans_are_asked_for_afterwards(engine):
    def work():
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(BY_ID, {"id": 5}).all()

    trace = measured(work)
    assert len(trace.plans) == 1
    assert any("In autocommit" in note for note in trace.notes)


def test_another_database_is_asked_as_ever():
    engine = create_engine("sqlite://")

    def work():
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1").all()

    trace = measured(work)
    assert len(trace.plans) == 1
    assert any("through PostgreSQL and psycopg alone" in note for note in trace.notes)
    engine.dispose()


@pytest.mark.parametrize(
    "message",
    ["", "hello", "duration: 5 ms  plan:\n{", 'duration: 5 ms  plan:\n{"Query Text": "x"}', "duration: x"],
)
def test_a_notice_that_is_no_plan_is_left_alone(message):
    plans = AutoPlans()
    plans.expect(1, "SELECT 1", "SELECT 1")
    plans.receive(1, message)
    assert plans.finished() == ({}, ())
