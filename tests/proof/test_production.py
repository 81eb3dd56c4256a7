"""Plans at production size on PostgreSQL 18; the fixture finds every database and row as it was."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.event import listen

from perfkit.capture.plans import ExplainError
from perfkit.lab.binaries import find_binaries
from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.proof import _production_files, _production_programs, production
from perfkit.session import explain

pytest_plugins = ["production_server"]

OF_CUSTOMER = "SELECT * FROM orders WHERE customer_id = :customer"
LATEST = "SELECT * FROM orders WHERE status = 'open' ORDER BY created_at DESC LIMIT 10"
JOINED = "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.name = 'customer 7'"
GROUPED = "SELECT customer_id, count(*) FROM orders GROUP BY customer_id"


def then(engine, sql=LATEST, parameters=None, **options):
    return explain(engine, sql, parameters, confirm=True, **options).trace.production[0]


# What is found.


def test_a_statement_that_is_fine_today_falls_over_at_ten_million_rows(production_engine):
    found = then(production_engine, rows={"orders": 10_000_000})

    assert found.falls_over
    assert found.growth > 200
    ((scan, table),) = found.large_scans
    assert scan.relation_name == table.name == "orders"
    assert table.rows == pytest.approx(10_000_000)
    assert table.rows_today == 20_000
    assert table.size_bytes == pytest.approx(500 * table.bytes_today, rel=0.01)


def test_a_statement_with_its_index_holds(production_engine):
    found = then(production_engine, "SELECT * FROM orders WHERE id = 77", rows={"orders": 10_000_000})

    assert found.growth < 1.2
    assert not found.falls_over
    assert found.large_scans == ()
    assert found.plan_then.root.index_name == "orders_pkey"


@pytest.mark.parametrize("sql", [LATEST, JOINED, GROUPED, "SELECT * FROM orders WHERE customer_id = 5"])
def test_told_the_sizes_of_today_the_copy_plans_as_today(production_engine, sql):
    result = explain(production_engine, sql, rows={"orders": 20_000}, confirm=True)
    found = result.trace.production[0]

    assert [node.node_type for node in found.plan_then.nodes()] == [
        node.node_type for node in result.plan.nodes()
    ]
    assert found.growth == pytest.approx(1, rel=0.01)
    assert not any("with care" in note for note in found.notes)


def test_the_plan_of_the_same_table_made_as_large_is_foretold(production_server):
    engine = create_engine(production_server)
    foretold = then(engine, LATEST, rows={"orders": 400_000})
    server = create_engine(production_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE large")
    large = create_engine(server.url.set(database="large"), isolation_level="AUTOCOMMIT")
    try:
        with large.connect() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE orders AS SELECT i AS id, 1 + (i * 31) %% 1000 AS customer_id, CASE WHEN "
                "i %% 100 = 0 THEN 'open' ELSE 'paid' END AS status, timestamp '2025-01-01' + i * interval "
                "'1 minute' AS created_at FROM generate_series(1, 400000) i",
                (),
            )
            connection.exec_driver_sql("ALTER TABLE orders ADD PRIMARY KEY (id)")
            connection.exec_driver_sql("CREATE INDEX ON orders (customer_id)")
            connection.exec_driver_sql("VACUUM ANALYZE orders")
        real = explain(large, LATEST).plan
    finally:
        large.dispose()
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE large WITH (FORCE)")
        server.dispose()
        engine.dispose()

    kinds = [[node.node_type for node in plan.nodes()] for plan in (foretold.plan_then, real)]
    assert kinds[0] == kinds[1]
    assert foretold.cost_then == pytest.approx(real.root.total_cost, rel=0.1)
    (table,) = foretold.tables
    assert table.size_bytes == pytest.approx(real.tables[0].size_bytes, rel=0.02)


def test_a_column_that_refers_to_more_rows_has_more_values(production_engine):
    alone = then(production_engine, OF_CUSTOMER, {"customer": 5}, rows={"orders": 1e7})
    both = then(production_engine, OF_CUSTOMER, {"customer": 5}, rows={"orders": 1e7, "customers": 1e6})

    assert alone.plan_then.root.plan_rows == pytest.approx(10_000, rel=0.3)
    assert both.plan_then.root.plan_rows == pytest.approx(10, rel=0.5)


def test_a_column_refers_to_no_more_rows_than_there_are(production_engine):
    """Of three rows for each customer PostgreSQL keeps the share; with more letters it is more for each."""
    sql = "SELECT * FROM letters WHERE customer_id = 5"
    found = then(production_engine, sql, rows={"letters": 3e6})

    assert explain(production_engine, sql).plan.root.plan_rows == 3
    assert found.plan_then.root.plan_rows == pytest.approx(3000, rel=0.1)


def test_the_settings_of_the_session_count(production_engine):
    with production_engine.connect() as connection:
        connection.exec_driver_sql("SET enable_hashagg = off; SET search_path = public")
        connection.commit()
        found = then(connection, GROUPED, rows={"orders": 1e6})

    assert found.plan_then.settings["enable_hashagg"] == "off"
    assert "Hashed" not in {node.attributes.get("Strategy") for node in found.plan_then.nodes()}


def test_odd_names_are_taken_as_they_are(production_engine):
    name = '"odd ""one%s"."t <b>"'
    found = then(production_engine, f'SELECT * FROM {name} WHERE "id x" > 3', rows={name: 3e6})

    assert found.tables[0].rows == pytest.approx(3e6)


def test_it_is_called_an_estimate_and_says_what_it_cannot_know(production_engine):
    result = explain(production_engine, LATEST, rows={"orders": 1e7}, confirm=True)
    shown = str(result), result._repr_mimebundle_()["text/html"]

    for text in shown:
        assert "At production size" in text
        assert "Reads all 10,000,000 rows of orders." in text
        assert "An estimate of the planner: nothing was executed." in text
        assert "What it cannot know" in text
    assert codec.loads(codec.dumps(result.trace)) == result.trace


# Statistics of another database.


def test_the_statistics_of_another_database_are_used(production_server, production_engine, tmp_path):
    path = tmp_path / "stats.sql"
    path.write_text(dumped(production_server).replace("'reltuples', '20000'", "'reltuples', '8000000'"))
    found = then(production_engine, stats=path)

    assert found.tables[0].rows == pytest.approx(8_000_000)
    assert found.large_scans


def test_rows_are_told_after_the_statistics(production_server, production_engine, tmp_path):
    path = tmp_path / "stats.sql"
    path.write_text(dumped(production_server))
    found = then(production_engine, stats=path, rows={"orders": 2e6})

    assert found.tables[0].rows == pytest.approx(2e6)


def test_statistics_of_tables_that_are_not_here_are_counted(production_server, production_engine, tmp_path):
    path = tmp_path / "stats.sql"
    path.write_text(dumped(production_server).replace("'relname', 'customers'", "'relname', 'clients'"))
    found = then(production_engine, stats=path)

    assert "3 statistics of the file are of tables or columns that are not here." in found.notes


def dumped(url):
    host, port = url.partition("host=")[2].split("&port=")
    command = [find_binaries() / "pg_dump", "--statistics-only", "-h", host, "-p", port, "-U", "postgres"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("DROP TABLE orders;", "Line 1: this is not what pg_dump --statistics-only writes"),
        ("SELECT 1;", "this is not what"),
        ("", "holds no statistics"),
    ],
)
def test_a_file_with_anything_else_is_refused(production_engine, tmp_path, text, reason):
    path = tmp_path / "stats.sql"
    path.write_text(text)

    assert reason in then(production_engine, stats=path).refusal


def test_a_file_that_is_not_there_is_said(production_engine):
    assert "cannot be read" in then(production_engine, stats=Path("/nowhere/at/all")).refusal


# What is refused.


def test_a_server_that_is_not_the_lab_is_asked_about_first(production_engine):
    found = explain(production_engine, LATEST, rows={"orders": 1e7}).trace.production[0]

    assert "would be created on it, and dropped" in found.refusal
    assert "confirm=True" in found.refusal


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({"fresh": 1e6}, "run ANALYZE fresh; first"),
        ({"orders": 0}, "Give orders a number of rows"),
        ({"orders": 1e12}, "Give fewer rows"),
    ],
)
def test_a_size_that_cannot_be_told_says_why(production_engine, rows, reason):
    assert reason in then(production_engine, rows=rows).refusal


def test_a_user_who_may_not_create_databases_is_told_so(production_engine, production_server):
    reader = create_engine(production_engine.url.set(username="reader"))
    found = then(reader, "SELECT * FROM customers", rows={"customers": 1e6})
    reader.dispose()

    assert found.plan_then is None
    assert "may not" in found.refusal


def test_files_out_of_reach_are_said(production_engine, monkeypatch, tmp_path):
    check = _production_files.check_reach
    monkeypatch.setattr(_production_files, "check_reach", lambda folder, number: check(str(tmp_path), number))

    assert "not within reach" in then(production_engine, rows={"orders": 1e6}).refusal


def test_an_older_server_is_refused(production_engine, monkeypatch):
    monkeypatch.setattr(production, "MIN_VERSION", 99)

    assert "this server has 18" in then(production_engine, rows={"orders": 1e6}).refusal


# What comes between.


def test_an_open_transaction_stays_open(production_engine):
    with production_engine.connect() as connection:
        connection.exec_driver_sql("UPDATE customers SET name = 'x' WHERE id = 1")
        found = then(connection, rows={"orders": 1e6})
        kept = connection.exec_driver_sql("SELECT name FROM customers WHERE id = 1").scalar()
        connection.rollback()

    assert kept == "x"
    assert found.plan_then is not None


def test_a_locked_table_is_not_waited_for(production_engine):
    with production_engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        found = then(production_engine, rows={"orders": 1e6})
        connection.rollback()

    assert "pg_dump failed: another session holds a lock" in found.refusal


def test_statements_that_fail_in_the_copy_are_counted(production_server):
    host, port = production_server.partition("host=")[2].split("&port=")
    address = {"host": host, "port": port, "user": "postgres", "dbname": "postgres"}

    assert _production_programs.restore(address, "SELECT broken;\nSELECT 1;\nSELECT worse;", 18) == 2


def test_a_program_that_is_not_there_is_named(production_engine, monkeypatch):
    monkeypatch.setattr(_production_programs, "_candidates", lambda name: [])

    assert "pg_dump of PostgreSQL 18 is needed" in then(production_engine, rows={"orders": 1e6}).refusal


def test_an_interrupt_leaves_no_database(production_engine, monkeypatch):
    def interrupted(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(production, "lengthen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        then(production_engine, rows={"orders": 1e6})


def test_a_failure_in_the_copy_leaves_no_database(production_engine, monkeypatch):
    def failing(*ignored):
        raise _production_files.FilesError("The disk is gone.")

    monkeypatch.setattr(production, "lengthen", failing)

    assert then(production_engine, rows={"orders": 1e6}).refusal == "The disk is gone."


def test_sqlite_has_no_other_size():
    engine = create_engine("sqlite://")
    result = explain(engine, "SELECT 1", rows={"t": 5})
    engine.dispose()

    assert "Only PostgreSQL" in str(result)


def test_the_plan_at_another_size_is_read_back(production_engine):
    block = trace(production=(then(production_engine, rows={"orders": 1e6}),))

    assert codec.loads(codec.dumps(block)) == block


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("order", "There is no table order. Did you mean orders?"),
        ("public.order", "There is no table public.order. Did you mean orders?"),
        ("zzz", 'There is no table zzz. Tables here: "odd ""one%s"."t <b>", customers, fresh'),
    ],
)
def test_a_table_that_is_not_there_is_said_before_anything_runs(production_engine, name, said):
    sent = []
    listen(production_engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    with pytest.raises(ExplainError) as error:
        explain(production_engine, LATEST, rows={name: 1e6}, confirm=True)

    assert str(error.value).startswith(said)
    assert not [statement for statement in sent if "EXPLAIN" in statement or "CREATE" in statement]


def test_one_table_that_is_not_there_is_said_first_and_the_others_grow(production_engine):
    result = explain(production_engine, LATEST, rows={"order": 1e6, "orders": 1e6}, confirm=True)

    assert result.trace.production[0].tables[0].rows == pytest.approx(1e6)
    assert str(result).splitlines()[1] == "There is no table order. Did you mean orders?"
    shown = result._repr_mimebundle_()["text/html"]
    assert shown.index("There is no table order.") < shown.index("Seq Scan")
    assert codec.loads(codec.dumps(result.trace)) == result.trace


def test_a_partitioned_table_grows_by_its_partitions(production_engine):
    with pytest.raises(ExplainError, match="parted is partitioned: give the numbers of rows of its"):
        explain(production_engine, LATEST, rows={"parted": 1e6}, confirm=True)
