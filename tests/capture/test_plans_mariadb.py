"""MariaDB is asked for measured plans of what reads, and executes nothing that may write."""

import json

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.dialects import mysql as mysql_dialect

from perfkit.capture.databases.mysql_answer import read_mysql_plan
from perfkit.capture.databases.mysql_text import check_text, kind_of
from perfkit.capture.databases.request import ExplainRequest
from perfkit.capture.plans import ExplainError, explain, explain_samples, explain_script
from perfkit.capture.samples import StatementSample
from perfkit.model import codec
from perfkit.model.builders import trace

BY_STATUS = "SELECT * FROM orders WHERE status = :status AND note <> :note"


def message_of(*arguments, **options):
    with pytest.raises(ExplainError) as caught:
        explain(*arguments, **options)
    return str(caught.value)


def types_of(plan):
    return [node.node_type for node in plan.nodes()]


def test_what_reads_is_measured(mariadb_engine):
    plan = explain(mariadb_engine, """SELECT * FROM orders WHERE note LIKE '%7%' AND note <> "it's" """)
    assert plan.system_name == "mariadb"
    assert plan.analyzed
    assert types_of(plan) == ["query_block", "full table scan"]
    assert plan.root.children[0].actual_rows > 1000
    assert plan.execution_time_ms > 0


def test_the_tables_and_indexes_of_the_plan_are_described(mariadb_engine):
    plan = explain(mariadb_engine, "SELECT * FROM orders o JOIN customers c ON c.id = o.customer_id")
    assert sorted(table.name for table in plan.tables) == ["customers", "orders"]
    orders = next(table for table in plan.tables if table.name == "orders")
    assert 15_000 < orders.rows < 25_000
    assert {index.name: index.keys for index in orders.indexes} == {
        "PRIMARY": ("id",),
        "by_customer": ("customer_id", "status"),
        "odd `<b>": ("note",),
    }
    assert [index.is_unique for index in orders.indexes if index.name == "PRIMARY"] == [True]
    assert orders.column("status").type_name == "varchar(10)"


@pytest.mark.parametrize("value", ["secret", "it's \\ secret", 'a"secret', "0xsecret"])
def test_bound_values_reach_the_database_but_not_the_plan(mariadb_engine, value):
    plan = explain(mariadb_engine, BY_STATUS, {"status": "open", "note": value})
    assert plan.root.children[0].actual_rows == 200
    text = codec.dumps(trace(plans=(plan,)))
    assert "secret" not in text
    assert "'open'" not in text


def test_bytes_and_numbers_that_were_bound_are_hidden_too(mariadb_engine):
    statement = "SELECT * FROM orders WHERE note = :bytes AND id > :number"
    plan = explain(mariadb_engine, statement, {"bytes": b"secret", "number": 471147})
    text = codec.dumps(trace(plans=(plan,)))
    assert "736563726574" not in text
    assert "471147" not in text


def test_a_constant_of_the_statement_stays_readable(mariadb_engine):
    plan = explain(mariadb_engine, "SELECT * FROM orders WHERE status = 'open' AND id > :id", {"id": 1})
    assert "'open'" in str([node.attributes for node in plan.nodes()])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET status = 'x' WHERE id = 3",
        "DELETE FROM orders WHERE id < 30",
        "INSERT INTO customers VALUES (90000, 'x')",
        "INSERT INTO customers SELECT id + 90000, note FROM orders",
        "REPLACE INTO customers VALUES (1, 'x')",
        "SELECT * FROM orders WHERE id = 1 FOR UPDATE",
        "SELECT * FROM orders WHERE id = 1 LOCK IN SHARE MODE",
        "SELECT NEXT VALUE FOR tickets",
        "SELECT nextval(tickets)",
        "SELECT note_it() FROM customers",
        "SELECT get_lock('perfkit', 0)",
        "SELECT @kept := 1",
    ],
)
@pytest.mark.parametrize("analyze_writes", [False, True])
def test_what_may_write_or_lock_is_never_executed(mariadb_engine, statement, analyze_writes):
    plan = explain(mariadb_engine, statement, analyze_writes=analyze_writes)
    assert not plan.analyzed
    assert "perfkit executes no write on MariaDB" in plan.notes[0]


@pytest.mark.parametrize(
    "statement", ["SELECT 5--1", "SELECT 5---1 AS `a;b`", "VALUES (1)", "(SELECT 1) UNION (SELECT 2)"]
)
def test_a_statement_that_only_looks_odd_is_measured(mariadb_engine, statement):
    assert explain(mariadb_engine, statement).analyzed


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1; DELETE FROM orders", "several statements"),
        ("SELECT 5--1; DELETE FROM orders", "several statements"),
        (r"SELECT 'a\'; b'; DELETE FROM orders", "several statements"),
        ("SELECT 1 /*! ; DELETE FROM orders */", "comment that the server executes"),
        ("SELECT 1 /*M! INTO OUTFILE '/tmp/x' */", "comment that the server executes"),
        ("CALL nothing()", "MariaDB has no plan for CALL"),
        ("SHOW TABLES", "MariaDB has no plan for SHOW"),
        ("EXPLAIN SELECT 1", "Leave out EXPLAIN"),
        ("SELECT * FROM missing", "Table 'shop.missing' doesn't exist"),
        ("SELECT nosuch FROM orders", "Unknown column 'nosuch'"),
        ("SELECT FROM", "You have an error in your SQL syntax"),
    ],
)
def test_what_has_no_plan_says_why(mariadb_engine, statement, expected):
    assert expected in message_of(mariadb_engine, statement)


def test_a_value_in_an_error_is_left_out(mariadb_engine):
    message = message_of(mariadb_engine, "SELECT * FRM orders WHERE note = :note", {"note": "tell-nobody"})
    assert "tell-nobody" not in message


@pytest.mark.parametrize("mode", ["NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"])
def test_a_backslash_is_refused_where_it_may_mean_something_else(mariadb_engine, mode):
    with mariadb_engine.connect() as connection:
        connection.exec_driver_sql(f"SET sql_mode = '{mode}'")
        assert "more than one way" in message_of(connection, r"SELECT 'a\'; DELETE FROM orders; --'")
        connection.invalidate()


def test_a_slow_statement_falls_back_to_a_plan_without_times(mariadb_engine):
    plan = explain(mariadb_engine, "SELECT count(*) FROM orders a, orders b, orders c", timeout_ms=50)
    assert not plan.analyzed
    assert "cancelled after 0.05 s" in plan.notes[0]


def test_an_open_transaction_stays_as_it_is(mariadb_engine):
    with mariadb_engine.connect() as connection:
        connection.exec_driver_sql("UPDATE customers SET name = 'mine' WHERE id = 1")
        plan = explain(connection, "SELECT * FROM customers WHERE name = 'mine'")
        assert plan.root.children[0].actual_rows == 1
        message_of(connection, "SELECT * FROM missing")
        assert not explain(connection, "SELECT note_it()").analyzed
        assert not explain(connection, "DELETE FROM orders").analyzed
        assert connection.exec_driver_sql("SELECT @@in_transaction").scalar() == 1
        assert connection.exec_driver_sql("SELECT name FROM customers WHERE id = 1").scalar() == "mine"
        connection.rollback()
        assert connection.exec_driver_sql("SELECT name FROM customers WHERE id = 1").scalar() != "mine"


def test_a_transaction_begun_by_hand_in_autocommit_is_not_committed(mariadb_engine):
    with mariadb_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert explain(connection, "SELECT count(*) FROM orders").analyzed
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("DELETE FROM customers WHERE id = 1")
        assert explain(connection, "SELECT count(*) FROM customers").analyzed
        connection.exec_driver_sql("ROLLBACK")


def test_an_idle_connection_is_idle_again_and_its_settings_are_as_they_were(mariadb_engine):
    settings = (
        "SELECT @@max_statement_time, @@lock_wait_timeout, @@sql_mode, @@in_transaction, @@tx_read_only"
    )
    with mariadb_engine.connect() as connection:
        before = connection.exec_driver_sql(settings).one()
        connection.rollback()
        explain(connection, "SELECT count(*) FROM orders")
        assert not connection.in_transaction()
        assert connection.exec_driver_sql(settings).one() == before


def test_a_lock_of_another_session_is_named(mariadb_engine):
    with mariadb_engine.connect() as other:
        other.exec_driver_sql("LOCK TABLES orders WRITE")
        assert "Another session holds a lock" in message_of(mariadb_engine, "SELECT count(*) FROM orders")
        other.exec_driver_sql("UNLOCK TABLES")


def test_a_lost_connection_is_named(mariadb_engine):
    with mariadb_engine.connect() as connection:
        number = connection.exec_driver_sql("SELECT connection_id()").scalar()
        with mariadb_engine.connect() as other:
            other.exec_driver_sql(f"KILL {number}")
        assert "connection to the database was lost" in message_of(connection, "SELECT 1")


def test_a_user_without_privileges_is_told_so(mariadb_engine):
    with mariadb_engine.connect() as connection:
        connection.exec_driver_sql("CREATE USER clerk")
        connection.exec_driver_sql("GRANT SELECT ON shop.customers TO clerk")
        clerk = create_engine(mariadb_engine.url.set(username="clerk"))
        assert "SELECT command denied" in message_of(clerk, "SELECT * FROM orders")
        assert explain(clerk, "SELECT * FROM customers").tables[0].name == "customers"
        clerk.dispose()
        connection.exec_driver_sql("DROP USER clerk")


def test_several_statements_are_explained_one_at_a_time(mariadb_engine):
    plans, notes = explain_script(
        mariadb_engine, "SET @a = 1; SELECT count(*) FROM orders WHERE id < :id; DROP TABLE orders", {"id": 9}
    )
    assert [plan.analyzed for plan in plans] == [True]
    assert [note.split(":")[0] for note in notes] == [
        "No plan for SET @a = 1",
        "No plan for DROP TABLE orders",
    ]


def test_samples_are_explained_with_the_drivers_own_placeholders(mariadb_engine):
    samples = [
        StatementSample(
            "one", "SELECT * FROM orders WHERE note LIKE '1%%' AND id > %s", (5,), mariadb_engine
        ),
        StatementSample(
            "many", "INSERT INTO customers VALUES (%s, %s)", [(90001, "x")], mariadb_engine, True
        ),
    ]
    plans, notes = explain_samples(samples)
    assert [plan.analyzed for plan in plans] == [True, False]
    assert notes == ()


def test_every_statement_of_perfkit_itself_is_marked(mariadb_engine):
    seen = set()

    @event.listens_for(mariadb_engine, "before_cursor_execute")
    def _note(connection, cursor, statement, parameters, context, executemany):
        seen.add(context.execution_options.get("perfkit_internal"))

    explain(mariadb_engine, "SELECT * FROM orders LIMIT 1")
    event.remove(mariadb_engine, "before_cursor_execute", _note)
    assert seen == {True}


MYSQL = {
    "query_block": {
        "select_id": 1,
        "cost_info": {"query_cost": "2049.35"},
        "ordering_operation": {
            "using_filesort": True,
            "nested_loop": [
                {
                    "table": {
                        "table_name": "orders",
                        "access_type": "ALL",
                        "rows_examined_per_scan": 19824,
                        "rows_produced_per_join": 1982,
                        "filtered": "10.00",
                        "cost_info": {"read_cost": "1831.10", "eval_cost": "198.24"},
                        "attached_condition": "(`shop`.`orders`.`note` = 'secret')",
                    }
                }
            ],
        },
    }
}


def test_mysqls_answer_is_read_by_the_same_reader():
    request = ExplainRequest(
        "SELECT * FROM orders WHERE note = :n ORDER BY 1", {"n": "secret"}, True, 1.0, "named"
    )
    plan = read_mysql_plan(json.dumps(MYSQL), request, "Not measured.", system_name="mysql")
    assert plan.system_name == "mysql"
    assert types_of(plan) == ["query_block", "filesort", "full table scan"]
    assert (plan.root.children[0].children[0].plan_rows, plan.analyzed) == (1982.4, False)
    assert plan.notes == ("Not measured.",)
    assert "secret" not in codec.dumps(trace(plans=(plan,)))


def test_mysqls_dialect_is_told_from_mariadbs():
    assert not mysql_dialect.dialect().is_mariadb
    with pytest.raises(ExplainError, match="MySQL has no plan for CALL"):
        kind_of("CALL p()", "MySQL")
    check_text(r"SELECT 'a\\b'", "STRICT_TRANS_TABLES")
