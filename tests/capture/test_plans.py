"""Explaining changes nothing, tells what it could not measure, and never shows a value or a password."""

import asyncio
import re

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.capture.plans import ExplainError, explain, explain_samples
from perfkit.capture.samples import StatementSample
from perfkit.model import codec
from perfkit.model.builders import line, trace
from perfkit.model.sql_names import quoted
from perfkit.session import measure

UNREACHABLE = "postgresql+psycopg://someone:very-secret@127.0.0.1:1/shop"


def message_of(*arguments, **options):
    with pytest.raises(ExplainError) as caught:
        explain(*arguments, **options)
    return str(caught.value)


def test_a_statement_is_measured_and_survives_json(plan_engine):
    plan = explain(plan_engine, "SELECT * FROM orders WHERE status = 'refunded'")
    assert plan.analyzed
    assert plan.execution_time_ms > 0
    assert (plan.root.node_type, plan.root.relation_name) == ("Seq Scan", "orders")
    assert plan.root.total_rows == 200
    assert plan.root.total_rows_removed == 199_800
    block = trace(plans=(plan,))
    assert codec.loads(codec.dumps(block)) == block
    assert codec.loads(codec.dumps(block)).plans[0].root.self_time_ms == plan.root.self_time_ms


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT * FROM orders WHERE status = :status AND id < :id", {"status": "refunded", "id": 98765}),
        (
            "SELECT * FROM orders WHERE status = %(status)s AND id < %(id)s",
            {"status": "refunded", "id": 98765},
        ),
        ("SELECT * FROM orders WHERE status = %s AND id < %s", ("refunded", 98765)),
    ],
)
def test_bound_values_reach_the_database_but_not_the_plan(plan_engine, statement, parameters):
    plan = explain(plan_engine, statement, parameters)
    assert max(node.total_rows for node in plan.nodes()) == 98
    text = codec.dumps(trace(plans=(plan,)))
    assert "refunded" not in text
    assert "98765" not in text


def test_constants_of_the_statement_itself_stay_readable(plan_engine):
    plan = explain(
        plan_engine, "SELECT * FROM orders WHERE city LIKE 'city 1%%' AND status = %s", ("refunded",)
    )
    conditions = " ".join(str(node.attributes.get("Filter")) for node in plan.nodes())
    assert "'city 1%'::text" in conditions
    assert "(orders.status = ?::text)" in conditions


def test_a_percent_sign_and_a_cast_need_no_escape_without_parameters(plan_engine):
    plan = explain(
        plan_engine, "SELECT count(*) FROM orders WHERE city LIKE 'city 1%' AND mod(id, 10)::text = '3'"
    )
    assert plan.analyzed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE watched SET value = 0",
        "DELETE FROM watched",
        "INSERT INTO watched VALUES (90000, 1)",
        "WITH gone AS (DELETE FROM watched RETURNING *) SELECT * FROM gone",
        "MERGE INTO watched w USING customers c ON w.id = c.id WHEN MATCHED THEN DELETE",
        "SELECT nextval('tickets')",
        "SELECT * FROM watched FOR UPDATE",
        "SELECT id INTO fresh FROM watched",
        "CREATE TABLE fresh AS SELECT * FROM watched",
        'CREATE UNLOGGED TABLE fresh ("as") AS (SELECT 1)',
        "CREATE TEMP TABLE IF NOT EXISTS fresh AS WITH x AS (SELECT 1) SELECT * FROM x",
        "CREATE MATERIALIZED VIEW fresh AS TABLE watched",
    ],
)
def test_a_statement_that_may_write_is_never_executed(plan_engine, statement):
    plan = explain(plan_engine, statement)
    assert not plan.analyzed
    assert "not executed" in " ".join(plan.notes)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; DELETE FROM watched",
        "SELECT 'a\\'; DELETE FROM watched; --'",
        "SELECT 1 -- one\r; DELETE FROM watched",
        "/* ; /* nested */ */ SELECT 1; DELETE FROM watched",
        "SELECT 1; COMMIT; DELETE FROM watched",
        "EXECUTE x; DELETE FROM watched",
        "SELECT $$;$$; DELETE FROM watched; SELECT $$;$$",
    ],
)
@pytest.mark.parametrize("analyze", [True, False])
def test_several_statements_are_refused_and_none_is_executed(plan_engine, statement, analyze):
    assert "one at a time" in message_of(plan_engine, statement, analyze=analyze)


@pytest.mark.parametrize(
    "statement",
    ["SELECT ';'", 'SELECT 1 AS ";"', "SELECT $a$;$a$", "SELECT 1 /* ; */ ; -- ;", "(SELECT 1);;"],
)
def test_a_semicolon_that_separates_nothing_is_no_second_statement(plan_engine, statement):
    assert explain(plan_engine, statement).analyzed


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("", "empty"),
        (" ; -- nothing", "empty"),
        ("VACUUM orders", "no plan for VACUUM"),
        ("CREATE INDEX ON orders (city)", "no plan for CREATE"),
        ("CREATE VIEW fresh AS SELECT 1", "no plan for CREATE"),
        ("CREATE TABLE fresh (id int)", "no plan for CREATE"),
        ("CALL nothing()", "no plan for CALL"),
        ("DO $$BEGIN; END$$", "no plan for DO"),
        ("EXPLAIN SELECT 1", "Leave out EXPLAIN"),
        ("SELECT 'open", "not closed"),
        ("SELECT $$open", "syntax error|not closed|unterminated"),
        (5, "as SQL text, not as int"),
        ("SELECT * FROM orders WHERE id = :id", "parameters={'id': …}"),
    ],
)
def test_what_has_no_plan_says_why(plan_engine, statement, expected):
    assert re.search(expected, message_of(plan_engine, statement))


def test_a_mistake_in_the_sql_is_shown_by_a_caret(plan_engine):
    lines = message_of(plan_engine, "SELECT *\nFORM orders").splitlines()
    assert lines == ['syntax error at or near "FORM"', "  FORM orders", "  ^"]


def test_the_caret_counts_in_what_the_driver_sent(plan_engine):
    lines = message_of(
        plan_engine, "SELECT * FROM orders WHERE id = %s AND 5 %% 2 = 1 AND nosuch = %s", (1, 2)
    ).splitlines()
    assert lines[2].index("^") == lines[1].index("nosuch")


def test_a_value_in_an_error_is_left_out(plan_engine):
    assert "tell-nobody" not in message_of(plan_engine, "SELECT %s::int", ("tell-nobody",))


def test_a_slow_statement_falls_back_to_a_plan_without_times(plan_engine):
    plan = explain(plan_engine, "SELECT pg_sleep(30)", timeout_ms=50)
    assert not plan.analyzed
    assert "cancelled after 0.05 s" in plan.notes[0]


def test_an_open_transaction_stays_as_it_is(plan_engine):
    with plan_engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine AS SELECT 1 AS id")
        assert explain(connection, "SELECT * FROM mine").root.total_rows == 1
        message_of(connection, "SELECT * FROM nothing")
        explain(connection, "SELECT nextval('tickets')")
        assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 1
        settings = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("transaction_read_only", "statement_timeout", "lock_timeout")
        ]
        assert settings == ["off", "0", "0"]
        connection.rollback()


def test_an_idle_connection_is_idle_again(plan_engine):
    with plan_engine.connect() as connection:
        explain(connection, "SELECT 1")
        assert not connection.in_transaction()


def test_a_connection_that_streams_its_results_is_asked_and_streams_on(plan_engine):
    with plan_engine.connect().execution_options(stream_results=True) as connection:
        assert explain(connection, "SELECT count(*) FROM orders").analyzed
        assert connection.get_execution_options()["stream_results"] is True
        assert "SELECT" in explain(connection.engine, "SELECT 1").query_text
    assert explain(plan_engine.execution_options(stream_results=True), "SELECT 1").analyzed


def test_a_failed_transaction_is_named(plan_engine):
    with plan_engine.connect() as connection:
        with pytest.raises(Exception, match="nothing"):
            connection.exec_driver_sql("SELECT * FROM nothing")
        assert "failed earlier" in message_of(connection, "SELECT 1")
        connection.rollback()


def test_autocommit_is_no_obstacle_and_keeps_a_transaction_begun_by_hand(plan_engine):
    with plan_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert explain(connection, "SELECT count(*) FROM orders").analyzed
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine AS SELECT 1 AS id")
        assert explain(connection, "SELECT * FROM mine").analyzed
        assert connection.exec_driver_sql("SELECT count(*) FROM mine").scalar() == 1
        connection.exec_driver_sql("ROLLBACK")


def test_a_lock_of_another_session_is_named(plan_engine, monkeypatch):
    monkeypatch.setattr("perfkit.capture.databases.postgresql_session.LOCK_TIMEOUT_MS", 20)
    with plan_engine.connect() as other, plan_engine.connect() as connection:
        other.exec_driver_sql("LOCK TABLE watched")
        assert "Another session holds a lock" in message_of(connection, "SELECT * FROM watched")
        other.rollback()


def test_a_lost_connection_is_named(plan_engine):
    with plan_engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with plan_engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        assert "connection to the database was lost" in message_of(connection, "SELECT 1")


@pytest.mark.parametrize("make", [create_engine, create_async_engine])
def test_a_server_that_is_away_is_one_line_without_the_password(make):
    message = message_of(make(UNREACHABLE), "SELECT 1")
    assert message.startswith("No connection to the database: ")
    assert len(message.splitlines()) == 1
    assert "very-secret" not in message


def test_an_async_engine_is_asked_through_its_own_driver(plan_server, plan_engine):
    async_engine = create_async_engine(plan_server)
    assert explain(async_engine, "SELECT * FROM orders WHERE id = :id", {"id": 3}).root.total_rows == 1

    async def within_a_loop():
        plan = explain(async_engine, "SELECT 1")
        async with async_engine.connect() as connection:
            other = await connection.run_sync(explain, "SELECT 2")
        await async_engine.dispose()
        return plan.analyzed and other.analyzed

    assert asyncio.run(within_a_loop())


def test_asyncpg_is_asked_in_its_own_style(plan_server, plan_engine):
    async_engine = create_async_engine(plan_server.replace("psycopg", "asyncpg"))
    plan = explain(async_engine, "SELECT * FROM orders WHERE id < :id AND city LIKE 'city 1%'", {"id": 4711})
    assert (plan.analyzed, plan.notes) == (True, ())
    assert [table.name for table in plan.tables] == ["public.orders"]
    assert {index.name for index in plan.tables[0].indexes} == {"orders_pkey", "orders_amount"}
    assert "4711" not in codec.dumps(trace(plans=(plan,)))
    sample = StatementSample(
        "one", "SELECT * FROM orders WHERE id = $1::INTEGER", (3,), async_engine.sync_engine
    )
    plans, notes = explain_samples([sample])
    assert (plans[0].root.total_rows, notes) == (1, ())


def test_every_statement_of_perfkit_itself_is_marked(plan_engine):
    seen = []

    @event.listens_for(plan_engine, "before_cursor_execute")
    def _note(connection, cursor, statement, parameters, context, executemany):
        seen.append(context.execution_options.get("perfkit_internal"))

    explain(plan_engine, "SELECT 1")
    assert seen
    assert set(seen) == {True}
    with plan_engine.connect() as connection:
        explain(connection, "SELECT 1")
        seen.clear()
        connection.exec_driver_sql("SELECT 2")
    assert seen == [False]
    event.remove(plan_engine, "before_cursor_execute", _note)


def test_samples_give_one_plan_a_shape_slowest_first_and_notes_for_the_rest(plan_engine):
    site = line(4, "load()")
    engine, write = plan_engine, "INSERT INTO watched VALUES"
    by_id, like = "SELECT * FROM orders WHERE id = %(i)s", "SELECT * FROM orders WHERE city LIKE 'city 9%%'"
    samples = [
        StatementSample("by id", by_id, {"i": 7}, engine, executions=3, total_ms=2),
        StatementSample("like", like, (), engine, total_ms=9, call_site=site),
        StatementSample("by id", by_id, {"i": 8}, engine, total_ms=99),
        StatementSample("insert", f"{write} (%s, %s)", [(90001, 1)], engine, executemany=True),
        StatementSample("batch", f"{write} (%(a)s, 1)", {"a": 90002}, engine, executemany=True),
        StatementSample("vacuum", "VACUUM", (), engine),
        StatementSample("temporary", "SELECT * FROM gone", (), engine),
        StatementSample("away", "SELECT 1", (), create_engine(UNREACHABLE)),
    ]
    plans, notes = explain_samples(samples)
    assert [plan.fingerprint for plan in plans] == ["like", "by id", "insert", "batch"]
    assert (plans[0].call_site, plans[1].executions) == (site, 3)
    assert [plan.analyzed for plan in plans] == [True, True, False, False]
    assert len(notes) == 3
    assert "no plan for VACUUM" in notes[0]
    assert '"gone" does not exist' in notes[1]
    assert "No connection" in notes[2]


def test_samples_of_an_async_engine_are_explained_too(plan_server, plan_engine):
    async_engine = create_async_engine(plan_server)
    sample = StatementSample("one", "SELECT %s::int", (1,), async_engine.sync_engine)
    plans, notes = explain_samples([sample])
    assert [plan.fingerprint for plan in plans] == ["one"]
    assert notes == ()


def test_no_samples_no_plans():
    assert explain_samples([]) == ((), ())


def test_sqlite_gives_a_tree_and_says_that_nothing_was_measured():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER)")
        connection.exec_driver_sql("CREATE INDEX by_author ON posts (author)")
        plan = explain(connection, "SELECT * FROM posts WHERE author = :a ORDER BY id DESC", {"a": 1})
        assert [node.node_type for node in plan.nodes()][:2] == ["QUERY PLAN", "SEARCH"]
        assert (plan.root.children[0].relation_name, plan.root.children[0].index_name) == (
            "posts",
            "by_author",
        )
        assert not plan.analyzed
        assert "measures neither" in plan.notes[0]
        assert "several statements" in message_of(connection, "SELECT 1; DELETE FROM posts")
        assert "no plan for PRAGMA" in message_of(connection, "PRAGMA table_info(posts)")
        assert "no such column" in message_of(connection, "SELECT nosuch FROM posts")
        connection.rollback()
    engine.dispose()


def test_an_unsupported_database_and_a_foreign_object_say_so():
    engine = create_engine("sqlite://")
    engine.dialect.name = "oracle"
    assert "Plans of oracle are not supported yet" in message_of(engine, "SELECT 1")
    assert "not str" in message_of("postgresql://localhost", "SELECT 1")
    engine.dispose()


def test_every_reserved_word_of_the_server_is_quoted(plan_engine):
    with plan_engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')")
        assert all(quoted(word) == f'"{word}"' for (word,) in rows)
    assert quoted("orders") == "orders"
    assert quoted('Say "x"') == '"Say ""x"""'


def test_statements_without_sqlalchemy_are_told_to_have_no_plan(plan_engine):
    with measure("block", plans=True) as block, plan_engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        raw = connection.connection.driver_connection
        raw.execute("SELECT 2, 3")
        raw.execute("SELECT 'a'")
    assert len(block.trace.plans) == 1
    assert block.trace.notes == (
        "No plan for 2 kinds of statements that were sent without SQLAlchemy."
        " Give the SQL to %%explain, in a cell of its own.",
    )
