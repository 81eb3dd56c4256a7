"""Users without rights, servers that are only read, poolers, deadlocks, odd names: a plan or a reason."""

import re
import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.plans import ExplainError, explain, explain_samples
from perfkit.capture.queries import QueryCollector
from perfkit.capture.samples import StatementSample
from perfkit.session import explain as explain_judged

JOIN = "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id < 9"


def message_of(*arguments, **options):
    with pytest.raises(ExplainError) as caught:
        explain(*arguments, **options)
    return str(caught.value)


@pytest.fixture
def scratch(wheel_cluster_18):
    """A database of the test's own, to be spoilt."""
    admin = create_engine(wheel_cluster_18.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE scratch")
    engine = create_engine(admin.url.set(database="scratch"))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE scratch WITH (FORCE)")
        connection.exec_driver_sql("DROP ROLE IF EXISTS clerk")
    admin.dispose()


def prepare(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@pytest.fixture
def clerk(scratch):
    """A user who may read one table of two."""
    prepare(
        scratch,
        "CREATE TABLE open AS SELECT generate_series(1, 1000) AS id",
        "CREATE TABLE closed AS SELECT generate_series(1, 1000) AS id",
        "CREATE VIEW part AS SELECT * FROM closed WHERE id < 10",
        "ANALYZE",
        "CREATE ROLE clerk LOGIN",
        "GRANT SELECT ON open, part TO clerk",
    )
    engine = create_engine(scratch.url.set(username="clerk"))
    yield engine
    engine.dispose()


def test_a_user_without_privileges_has_plans_and_what_may_be_known_of_the_tables(clerk):
    plan = explain(clerk, "SELECT * FROM open WHERE id = 3")
    (table,) = plan.tables
    assert (plan.analyzed, plan.notes, table.rows, table.is_analyzed) == (True, (), 1000, True)
    assert table.column("id").distinct == -1


def test_of_a_table_that_a_user_may_not_read_the_statistics_are_unknown(clerk):
    plan = explain(clerk, "SELECT * FROM part")
    (table,) = plan.tables
    assert (table.relation_name, table.is_analyzed, table.column("id").distinct) == ("closed", None, None)


def test_a_table_that_a_user_may_not_read_is_named(clerk):
    assert message_of(clerk, "SELECT * FROM closed") == "permission denied for table closed"


def test_a_catalogue_that_may_not_be_read_costs_a_note_and_no_plan(scratch, clerk):
    prepare(scratch, "REVOKE SELECT ON pg_catalog.pg_stats FROM public")
    plan = explain(clerk, "SELECT * FROM open WHERE id = 3")
    assert (plan.analyzed, plan.tables) == (True, ())
    assert plan.notes == ("Nothing is known of the tables: permission denied for view pg_stats",)


def test_a_standby_is_asked_like_any_other_server(standby):
    engine = create_engine(standby.url)
    plan = explain(engine, JOIN)
    assert plan.analyzed
    assert {table.relation_name for table in plan.tables} == {"orders", "customers"}
    with engine.connect() as connection:
        assert explain(connection, JOIN).analyzed
        assert explain(connection, JOIN).analyzed
    engine.dispose()


def test_a_write_on_a_standby_is_planned_and_not_measured(standby):
    engine = create_engine(standby.url)
    plan = explain(engine, "DELETE FROM watched", analyze_writes=True)
    assert not plan.analyzed
    assert "may only read" in plan.notes[0]
    assert "--analyze-writes" in explain(engine, "DELETE FROM watched").notes[0]
    engine.dispose()


def test_a_session_that_reads_by_default_is_no_obstacle(plan_server, plan_engine):
    options = {"options": "-c default_transaction_read_only=on"}
    engine = create_engine(plan_server, connect_args=options)
    assert explain(engine, JOIN).analyzed
    assert "may only read" in explain(engine, "DELETE FROM audit", analyze_writes=True).notes[0]
    engine.dispose()


def test_through_a_pooler_in_transaction_mode(pooler):
    engine = create_engine(pooler)
    for _ in range(8):
        plan = explain(engine, JOIN)
        assert (plan.analyzed, len(plan.tables)) == (True, 2)
    for other in (engine.connect(), engine.connect()):
        with other as connection:
            settings = connection.exec_driver_sql(
                "SELECT current_setting('lock_timeout'), current_setting('transaction_read_only'),"
                " (SELECT count(*) FROM pg_prepared_statements)"
            ).one()
            assert tuple(settings) == ("0", "off", 0)
    samples = [
        StatementSample(f"{n}", f"SELECT * FROM orders WHERE id = %s AND id <> {n}", (n,), engine)
        for n in range(9)
    ]
    plans, notes = explain_samples(samples)
    assert (len(plans), notes) == (9, ())
    engine.dispose()


def test_through_a_pooler_within_an_open_transaction(pooler):
    engine = create_engine(pooler)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine ON COMMIT DROP AS SELECT 1 AS id")
        assert explain(connection, "SELECT * FROM mine").root.total_rows == 1
        connection.rollback()
    engine.dispose()


def test_a_deadlock_is_named_and_the_open_transaction_lives_on(plan_engine, monkeypatch):
    monkeypatch.setattr("perfkit.capture.databases.postgresql_session.LOCK_TIMEOUT_MS", 30_000)
    with plan_engine.connect() as connection, plan_engine.connect() as other:
        connection.exec_driver_sql("SET LOCAL deadlock_timeout = '10ms'")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
        other.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")
        other.exec_driver_sql("SELECT pg_advisory_xact_lock(2)")
        waiting = threading.Thread(target=other.exec_driver_sql, args=("SELECT pg_advisory_xact_lock(1)",))
        waiting.start()
        blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not connection.exec_driver_sql(blocked).scalar():
            pass
        message = message_of(connection, "SELECT pg_advisory_xact_lock(2)", analyze_writes=True)
        assert "a deadlock" in message
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
        connection.rollback()
        waiting.join()
        other.rollback()


def test_a_missing_extension_is_named_by_its_function(plan_engine):
    message = message_of(plan_engine, "SELECT * FROM orders WHERE similarity(city, 'x') > 0.3")
    assert message.startswith("function similarity(text, unknown) does not exist")
    assert message_of(plan_engine, "SELECT * FROM orders WHERE city % 'x'").startswith(
        "operator does not exist"
    )


def test_a_connection_that_is_lost_half_way_takes_one_plan_and_no_more(scratch):
    prepare(
        scratch,
        "CREATE FUNCTION die() RETURNS boolean LANGUAGE sql AS"
        " 'SELECT pg_terminate_backend(pg_backend_pid())'",
        "CREATE TABLE t (id int)",
    )
    statements = ["SELECT * FROM t", "SELECT die()", "SELECT id FROM t"]
    samples = [
        StatementSample(statement, statement, (), scratch, total_ms=9 - number)
        for number, statement in enumerate(statements)
    ]
    plans, notes = explain_samples(samples)
    assert [plan.query_text for plan in plans] == ["SELECT * FROM t", "SELECT id FROM t"]
    assert [len(plan.tables) for plan in plans] == [1, 1]
    assert len(notes) == 1
    assert "connection to the database was lost" in notes[0]


def test_a_pool_whose_connections_are_all_in_use_is_named(plan_server, plan_engine):
    engine = create_engine(plan_server, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect():
        assert "No connection to the database" in message_of(engine, "SELECT 1")
    engine.dispose()


ODD = 'Say "<script>alert(1)</script>" 100%s :name; --'
NAME = '"' + ODD.replace('"', '""') + '"'


def test_names_with_quotes_markup_and_placeholders_are_described_and_escaped(scratch):
    prepare(
        scratch,
        f"CREATE TABLE {NAME} (id int PRIMARY KEY, {NAME} int)",
        f"INSERT INTO {NAME} SELECT i, i FROM generate_series(1, 5000) i",
        f"CREATE INDEX {NAME.replace('Say', 'Tell')} ON {NAME} ({NAME})",
        "ANALYZE",
    )
    result = explain_judged(scratch, f"SELECT * FROM {NAME} WHERE {NAME} = 3")
    (table,) = result.plan.tables
    assert (table.relation_name, table.column(ODD).type_name) == (ODD, "integer")
    assert (NAME,) in [index.keys for index in table.indexes]
    shown = result._repr_mimebundle_()["text/html"]
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_values_are_in_no_note_and_no_error(plan_engine):
    samples = [
        StatementSample("cast", "SELECT %s::int", ("tell-nobody",), plan_engine),
        StatementSample(
            "write", "UPDATE watched SET value = 1 WHERE id::text = %s", ("tell-nobody",), plan_engine
        ),
        StatementSample("date", "SELECT %(a)s::date", {"a": "tell-nobody"}, plan_engine),
    ]
    plans, notes = explain_samples(samples)
    assert (len(plans), len(notes)) == (1, 2)
    assert "tell-nobody" not in "".join([*notes, *plans[0].notes, str(plans)])


SHAPES = 20


def collected(run):
    collector = QueryCollector(keep_samples=True)
    collector.start()
    try:
        run()
    finally:
        log = collector.stop()
    return log.samples


def asked(log, since):
    """By the server's own log, how many EXPLAINs it was sent, and how many questions to the catalogue."""
    lines = [line for line in log[since:].splitlines() if re.search(r"LOG:  (statement|execute)", line)]
    explained = [line for line in lines if "EXPLAIN (" in line]
    return len(explained), log[since:].count("FROM pg_catalog.pg_index i JOIN")


@pytest.mark.parametrize("make", [create_engine, create_async_engine])
def test_a_thousand_statements_in_twenty_shapes_are_twenty_explains_and_one_look_at_the_catalogue(
    wheel_cluster_18, make
):
    options = {"options": "-c log_statement=all"}
    engine = create_engine(wheel_cluster_18.url)
    logged = make(wheel_cluster_18.url, connect_args=options)

    def work():
        with engine.connect() as connection:
            for number in range(SHAPES * 50):
                connection.execute(
                    text(f"SELECT id AS c{number % SHAPES} FROM orders WHERE id = :n"), {"n": number}
                )

    samples = collected(work)
    for sample in samples:
        sample.engine = getattr(logged, "sync_engine", logged)
    since = len(wheel_cluster_18.log)
    plans, notes = explain_samples(samples)
    assert (len(plans), notes) == (SHAPES, ())
    assert sum(plan.executions for plan in plans) == SHAPES * 50
    assert all(plan.tables for plan in plans)
    assert asked(wheel_cluster_18.log, since) == (SHAPES, 1)
    engine.dispose()
    if make is create_engine:
        logged.dispose()
