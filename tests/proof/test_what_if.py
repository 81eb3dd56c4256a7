"""Proofs on a real server; the fixture compares catalogue, rows, sequences and settings afterwards."""

import re
import signal
from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy import create_engine, event
from what_if_sql import send

from perfkit.capture import plans
from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.what_if import ProofVerdict, Runs
from perfkit.proof import _what_if_attempts, _what_if_trial, what_if

pytest_plugins = ["what_if_server"]

TOP_TEN = (
    "SELECT id, amount FROM orders WHERE customer_id = :customer AND created_at >= '2025-02-01' "
    "ORDER BY amount DESC LIMIT 10"
)
ONE_CITY = "SELECT * FROM orders WHERE city = :city"


def prove_on(connection, sql, parameters=None, *, confirmed=True, before_run=lambda: None):
    plan = plans.explain(connection, sql, parameters)

    def again():
        before_run()
        return plans.explain(connection, sql, parameters)

    return what_if.prove(connection, plan, again, confirmed=confirmed)


def prove(engine, sql, parameters=None, **options):
    with engine.connect() as connection:
        return prove_on(connection, sql, parameters, **options)


def attempt(proof, what):
    return next(item for item in proof.attempts if item.what == what)


# What helps.


def test_equality_then_order_then_range_is_tried_and_proved(proof_engine):
    proof = prove(proof_engine, TOP_TEN, {"customer": 42})

    best = proof.best
    assert best.what in ("orders (customer_id, amount, created_at)", "orders (customer_id, amount)")
    assert best.statement == f"CREATE INDEX CONCURRENTLY ON {best.what};"
    assert attempt(proof, "orders (customer_id, created_at)").verdict is ProofVerdict.PROVED
    assert len(best.runs.times_ms) in (3, 6, 9)
    assert best.runs.median_ms < proof.base.median_ms
    assert best.runs.median_blocks < 100 < proof.base.median_blocks
    assert best.size_bytes > 1_000_000
    assert best.build_ms > 0
    assert 0.1 < best.write_share < 0.6
    assert [table.name for table in proof.tables] == ["orders"]


def test_a_rare_constant_of_the_text_gets_a_partial_index(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE status = 'refunded'")

    partial = attempt(proof, "orders (status) WHERE status = 'refunded'")
    assert partial.verdict is ProofVerdict.PROVED
    assert partial.size_bytes < attempt(proof, "orders (status)").size_bytes / 10
    assert partial.write_share < 0.01


def test_a_constant_that_no_row_has_gets_no_empty_index_but_a_question(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE customer_id = 7 AND status = 'refnuded'")

    partial = [item for item in proof.attempts if "WHERE" in item.what]
    assert all(item.verdict is ProofVerdict.INCONCLUSIVE for item in partial if item.runs)
    assert any("is the value right?" in item.reason for item in partial)


def test_a_frequent_constant_gets_none(proof_engine):
    proof = prove(
        proof_engine,
        "SELECT * FROM orders WHERE customer_id = :customer AND status = 'paid'",
        {"customer": 7},
    )

    partial = attempt(proof, "orders (customer_id) WHERE status = 'paid'")
    assert partial.verdict is ProofVerdict.REJECTED
    assert "100% of the rows" in partial.reason


def test_one_value_of_many_gets_none(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE city = 'city 5'")

    assert [item.what for item in proof.attempts if item.kind == "index"] == ["orders (city)"]


def test_a_constant_of_another_tables_column_gets_none(scratch_engine):
    with scratch_engine.begin() as connection:
        send(connection, "CREATE TABLE flags AS SELECT 3 AS status, 'rare' AS name")
        send(
            connection,
            "CREATE TABLE o AS SELECT i AS id, CASE WHEN i % 1000 = 0 THEN 'rare' ELSE 'often' END AS status "
            "FROM generate_series(1, 50000) i",
        )
        send(connection, "ANALYZE")
    proof = prove(
        scratch_engine, "SELECT * FROM o WHERE (SELECT name FROM flags WHERE status = 3) = o.status"
    )

    assert [item.what for item in proof.attempts if item.kind == "index"] == ["o (status)"]


def test_a_bound_value_gets_no_partial_index(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE status = :status", {"status": "refunded"})

    assert [item.what for item in proof.attempts] == ["orders (status)"]
    assert "refunded" not in codec.dumps(trace(proofs=(proof,)))


def test_an_expression_is_indexed_and_analysed(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE lower(city) = :city", {"city": "city 7"})

    assert proof.best.what == "orders ((lower(city)))"
    assert proof.best.statement.endswith("ANALYZE orders;")


def test_the_start_of_a_text_is_found_with_its_own_operator_class(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE city LIKE 'city 123%'")

    assert proof.best.what == "orders (city text_pattern_ops)"


def test_columns_that_are_read_too_are_included(proof_engine):
    proof = prove(proof_engine, "SELECT sum(amount) FROM orders WHERE customer_id BETWEEN 10 AND 40")

    assert proof.best.what == "orders (customer_id) INCLUDE (amount)"
    assert proof.best.runs.median_blocks < 50


def test_the_other_side_of_a_join_is_looked_up(proof_engine):
    proof = prove(
        proof_engine,
        "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.name = 'customer 77'",
    )

    assert proof.best.what == "orders (customer_id)"


def test_statistics_on_dependent_columns_change_the_plan(proof_engine):
    proof = prove(
        proof_engine,
        "SELECT count(*) FROM orders o JOIN notes n ON n.text || o.zip = 'note' || n.zip "
        "WHERE o.city = 'city 5' AND o.zip = 'zip 5'",
    )

    dependent = attempt(proof, "statistics on dependent columns of orders (city, zip)")
    assert "rows are expected instead of" in dependent.reason
    assert dependent.statement.startswith(
        'CREATE STATISTICS "orders_city_zip_stats" (dependencies) ON city, zip'
    )


def test_memory_for_a_sort_is_tried(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders ORDER BY city || zip, id")

    memory = attempt(proof, "work_mem = 64 MB")
    assert memory.statement.startswith("SET LOCAL work_mem = '64MB';")
    assert len(memory.runs.times_ms) >= 3


def test_names_with_quotes_and_markers_are_taken_as_they_are(proof_engine):
    proof = prove(
        proof_engine, 'SELECT id FROM "odd ""table%s" WHERE "<b>\\:x" = :v AND "{name}" = 3', {"v": "v10"}
    )

    assert proof.best.what == '"odd ""table%s" ("<b>:x", "{name}")'


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ("facts @> '{\"k\": 5}'", "facts jsonb_path_ops"),
        ("facts @> CAST(:value AS jsonb)", "facts jsonb_path_ops"),
        ("facts ? 'rare'", "facts"),
        ("tags @> ARRAY['tag 5']", "tags"),
        ("words @@ to_tsquery('english', 'word5')", "words"),
        (
            "to_tsvector('english', body) @@ to_tsquery('english', '5')",
            "(to_tsvector(CAST('english' AS REGCONFIG), body))",
        ),
    ],
)
def test_what_lies_within_a_value_is_found_with_gin(proof_engine, condition, what):
    parameters = {"value": '{"k": 5}'} if ":value" in condition else None
    proof = prove(proof_engine, f"SELECT * FROM papers WHERE {condition}", parameters)

    assert proof.best.what == f"papers USING gin ({what})"
    assert proof.best.statement.startswith(f"CREATE INDEX CONCURRENTLY ON papers USING gin ({what});")
    assert proof.best.write_share is None


def test_an_index_that_is_not_valid_is_tried_anew(scratch_engine):
    with scratch_engine.begin() as connection:
        send(connection, "CREATE TABLE t AS SELECT i AS id, i % 9000 AS n FROM generate_series(1, 90000) i")
        send(connection, "CREATE INDEX t_n ON t (n)")
        send(connection, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_n'::regclass")
    best = prove(scratch_engine, "SELECT * FROM t WHERE n = 3").best

    assert best.what == "t (n)"
    assert best.statement == "REINDEX INDEX CONCURRENTLY t_n;"
    assert best.reason.startswith("t_n exists but is not used because it is not valid")


def test_a_setting_that_keeps_indexes_away_is_found(scratch_engine):
    with scratch_engine.connect() as connection:
        send(connection, "CREATE TABLE t AS SELECT i AS id, 'x' AS x FROM generate_series(1, 90000) i")
        send(connection, "CREATE INDEX t_id ON t (id)")
        send(connection, "SET enable_indexscan = off; SET enable_bitmapscan = off; ANALYZE t")
        connection.commit()
        proof = prove_on(connection, "SELECT * FROM t WHERE id = 3")

    assert "t_id exists but is not used because the session has enable_indexscan and" in (
        attempt(proof, "t (id)").reason
    )
    assert proof.best.statement.startswith("SET LOCAL enable_")


def test_each_kind_of_statistics_says_what_it_expects(proof_engine):
    proof = prove(
        proof_engine,
        "SELECT count(*) FROM orders o JOIN notes n ON n.text || o.zip = 'note' || n.zip "
        "WHERE o.city = 'city 5' AND o.zip = 'zip 5'",
    )
    said = {item.what.split(" of ")[0]: item.reason for item in proof.attempts if "(city, zip)" in item.what}
    del said["orders (city, zip)"]

    assert said.keys() >= {"statistics on dependent columns", "statistics on common pairs"}
    for reason in said.values():
        assert re.search(r"rows? (is|are) expected instead of ", reason)


def test_finer_statistics_of_one_column_are_tried(scratch_engine):
    with scratch_engine.begin() as connection:
        send(
            connection,
            "CREATE TABLE t AS SELECT CASE WHEN i % 30 = 0 THEN i % 40000 ELSE i END AS n, repeat('x', 100) "
            "FROM generate_series(1, 60000) i",
        )
        send(connection, "ALTER TABLE t ALTER COLUMN n SET STATISTICS 1; ANALYZE t")
        send(connection, "INSERT INTO t SELECT 77, 'y' FROM generate_series(1, 20000) i")
    proof = prove(scratch_engine, "SELECT * FROM t WHERE n = 77")

    finer = attempt(proof, "finer statistics of t (n)")
    assert finer.statement == "ALTER TABLE t ALTER COLUMN n SET STATISTICS 1000;\nANALYZE t;"
    assert " rows are expected instead of " in finer.reason


# What does not help.


def test_an_index_that_the_planner_leaves_aside_is_no_help(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM orders WHERE created_at >= '2025-01-03'")

    (item,) = [item for item in proof.attempts if item.runs]
    assert item.verdict is ProofVerdict.NO_HELP
    assert "planner does not use it" in item.reason
    assert proof.best is None


@pytest.mark.parametrize(
    ("sql", "what", "reason"),
    [
        (
            "SELECT * FROM orders WHERE amount > 100",
            "orders (amount)",
            "orders_amount exists but is not used because the planner expects another way to be cheaper",
        ),
        (
            "SELECT * FROM orders WHERE amount = 42.0",
            "orders (amount)",
            "orders_amount exists but is not used because the statement compares amount as numeric",
        ),
        ("SELECT * FROM orders WHERE city LIKE '%ity 123'", "orders (city)", "pg_trgm"),
        (
            "SELECT c.id, (SELECT count(*) FROM tags t WHERE t.id = c.id) FROM customers c",
            "tags (id)",
            "The table has 500 rows",
        ),
        (
            "SELECT * FROM papers WHERE 'tag 5' = ANY (tags)",
            "papers USING gin (tags)",
            "Write tags @> ARRAY[value] instead",
        ),
        ("SELECT * FROM papers WHERE body LIKE '%77%'", "papers (body)", "it needs the extension pg_trgm"),
        (
            "SELECT * FROM papers WHERE code = ('code ' || 5) COLLATE \"C\"",
            "papers (code)",
            "papers_code exists but is not used because the statement compares in another collation",
        ),
        ("SELECT * FROM days WHERE id = 3", "days_1 (id)", "is a partition"),
    ],
)
def test_what_is_not_worth_trying_says_why(proof_engine, sql, what, reason):
    item = attempt(prove(proof_engine, sql), what)

    assert item.verdict is ProofVerdict.REJECTED
    assert reason in item.reason
    assert item.runs is None


def test_an_expression_that_cannot_be_indexed_is_rejected(proof_engine):
    proof = prove(
        proof_engine,
        "SELECT * FROM orders WHERE to_char(created_at, 'YYYY-MM-DD') = :day",
        {"day": "2025-02-03"},
    )

    (item,) = proof.attempts
    assert item.verdict is ProofVerdict.REJECTED
    assert "cannot be indexed" in item.reason


def test_a_fast_statement_has_nothing_to_try(proof_engine):
    proof = prove(proof_engine, "SELECT * FROM customers WHERE id = 3")

    assert proof.attempts == ()
    assert proof.notes[0].startswith("Nothing to try")


# What is refused.


def test_a_server_that_is_not_the_lab_is_asked_about_first(proof_engine):
    proof = prove(proof_engine, ONE_CITY, {"city": "city 5"}, confirmed=False)

    assert proof.attempts == ()
    assert "not perfkit's lab" in proof.refusal
    assert "orders (200,000 rows, 17 MB)" in proof.refusal
    assert "writes wait" in proof.refusal
    assert "--prove --yes" in proof.refusal


def test_the_lab_is_recognised_by_the_mark_on_its_database(scratch_engine):
    with scratch_engine.begin() as connection:
        send(connection, "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 50000) i")
        send(connection, """COMMENT ON DATABASE scratch IS '{"perfkit": "1", "scale": "tiny"}'""")

    assert prove(scratch_engine, "SELECT * FROM t WHERE id = 3", confirmed=False).best.what == "t (id)"


def test_a_large_table_is_asked_about_even_in_the_lab(scratch_engine, monkeypatch):
    monkeypatch.setattr(what_if, "MAX_TABLE_BYTES", 1_000_000)
    with scratch_engine.begin() as connection:
        send(connection, "CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 50000) i")
        send(connection, """COMMENT ON DATABASE scratch IS '{"perfkit": "1"}'""")

    assert "--yes" in prove(scratch_engine, "SELECT * FROM t WHERE id = 3", confirmed=False).refusal


def test_an_open_transaction_is_left_alone(proof_engine):
    with proof_engine.connect() as connection:
        send(connection, "UPDATE customers SET name = 'x' WHERE id = 1")
        proof = prove_on(connection, ONE_CITY, {"city": "city 5"})
        kept = connection.exec_driver_sql("SELECT name FROM customers WHERE id = 1").scalar()

    assert "open transaction" in proof.refusal
    assert kept == "x"


def test_a_transaction_that_the_driver_knows_of_alone_is_left_alone_too(proof_engine):
    with proof_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        plan = plans.explain(connection, ONE_CITY, {"city": "city 5"})
        connection.connection.dbapi_connection.execute("BEGIN")
        proof = what_if.prove(connection, plan, lambda: plan, confirmed=True)
        connection.connection.dbapi_connection.execute("ROLLBACK")

    assert "open transaction" in proof.refusal


def test_a_statement_that_writes_is_not_executed(proof_engine):
    proof = prove(proof_engine, "UPDATE orders SET amount = 0 WHERE city = 'city 5'")

    assert "planned only" in proof.refusal


# What comes between.


def test_an_engine_that_commits_each_statement_keeps_nothing(proof_engine):
    autocommit = proof_engine.execution_options(isolation_level="AUTOCOMMIT")

    assert prove(autocommit, ONE_CITY, {"city": "city 5"}).best.what == "orders (city)"


def test_who_writes_to_the_table_makes_it_inconclusive(proof_engine, monkeypatch):
    monkeypatch.setattr(_what_if_trial, "LOCK_TIMEOUT_MS", 100)
    writer = create_engine(proof_engine.url)
    with writer.connect() as connection:
        send(connection, "UPDATE orders SET amount = amount WHERE id = -1")
        (item,) = prove(proof_engine, ONE_CITY, {"city": "city 5"}).attempts
    writer.dispose()

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert "Another session changes orders" in item.reason


def test_a_build_that_takes_too_long_is_inconclusive(proof_engine, monkeypatch):
    monkeypatch.setattr(_what_if_trial, "BUILD_TIMEOUT_MS", 30)

    (item,) = prove(proof_engine, ONE_CITY, {"city": "city 5"}).attempts

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert "cancelled" in item.reason


def test_a_user_who_owns_nothing_is_told_so(proof_engine):
    reader = create_engine(proof_engine.url.set(username="reader"))
    (item,) = prove(reader, ONE_CITY, {"city": "city 5"}).attempts
    reader.dispose()

    assert item.verdict is ProofVerdict.REJECTED
    assert "only the owner of orders can" in item.reason


def test_an_interrupt_leaves_nothing(proof_engine):
    runs = iter(range(100))

    def interrupt():
        if next(runs) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prove(proof_engine, ONE_CITY, {"city": "city 5"}, before_run=interrupt)


def test_an_interrupt_within_the_database_leaves_nothing(proof_engine):
    def interrupt(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("CREATE INDEX"):
            raise KeyboardInterrupt

    event.listen(proof_engine, "before_cursor_execute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prove(proof_engine, ONE_CITY, {"city": "city 5"})
    event.remove(proof_engine, "before_cursor_execute", interrupt)


class Interrupting:
    """Interrupts the main thread while the database builds an index, as often as it sees one being built."""

    BUILDS = "SELECT count(*) FROM pg_stat_progress_create_index"

    def __init__(self, engine):
        self.server = create_engine(engine.url, isolation_level="AUTOCOMMIT")
        self.is_over, self.watcher = Event(), None
        event.listen(engine, "before_cursor_execute", self.before)
        event.listen(engine, "after_cursor_execute", self.after)

    def before(self, connection, cursor, statement, *rest):
        if statement.startswith("CREATE INDEX"):
            self.is_over.clear()
            self.watcher = Thread(target=self.watch)
            self.watcher.start()

    def after(self, connection, cursor, statement, *rest):
        """Not before the watcher has ended does the proof go on, so no interrupt comes after it."""
        if statement.startswith("CREATE INDEX"):
            self.is_over.set()
            self.watcher.join()

    def watch(self):
        with self.server.connect() as connection:
            while not self.is_over.is_set():
                if connection.exec_driver_sql(self.BUILDS).scalar():
                    signal.raise_signal(signal.SIGINT)
                    return

    def close(self):
        self.is_over.set()
        self.watcher.join()
        self.server.dispose()


def test_an_interrupt_while_the_index_is_built_leaves_nothing(proof_engine):
    interrupting = Interrupting(proof_engine)

    def prove_again_and_again():
        while True:  # an index that is built between two looks is not seen
            prove(proof_engine, ONE_CITY, {"city": "city 5"})

    with pytest.raises(KeyboardInterrupt):
        prove_again_and_again()
    interrupting.close()


def test_a_lost_connection_ends_the_proof_and_keeps_what_was_measured(proof_engine):
    killer, runs = create_engine(proof_engine.url), iter(range(100))
    with proof_engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        connection.rollback()

        def kill():
            if next(runs) == 7:
                with killer.connect() as other:
                    other.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})

        proof = prove_on(connection, TOP_TEN, {"customer": 42}, before_run=kill)
    killer.dispose()

    verdicts = [item.verdict for item in proof.attempts]
    assert verdicts.count(ProofVerdict.PROVED) == 1
    assert verdicts.count(ProofVerdict.INCONCLUSIVE) == 2
    assert "connection was lost" in proof.notes[0]


def test_an_older_transaction_makes_it_inconclusive(scratch_engine):
    with scratch_engine.begin() as connection:
        send(connection, "CREATE TABLE hot (id int, value int) WITH (fillfactor = 50)")
        send(connection, "INSERT INTO hot SELECT i, i % 5000 FROM generate_series(1, 50000) i")
    with scratch_engine.connect() as old:
        old.execution_options(isolation_level="REPEATABLE READ")
        old.exec_driver_sql("SELECT count(*) FROM hot")
        with scratch_engine.begin() as connection:
            send(connection, "UPDATE hot SET value = 3 WHERE id = 17")
        item = attempt(prove(scratch_engine, "SELECT * FROM hot WHERE value = 99"), "hot (value)")

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert "older transaction" in item.reason


def test_a_proof_is_read_back_from_json(proof_engine):
    proof = prove(proof_engine, TOP_TEN, {"customer": 42})
    block = trace(proofs=(proof,))

    assert codec.loads(codec.dumps(block)) == block


def test_past_two_minutes_nothing_more_is_begun(proof_engine, monkeypatch):
    monkeypatch.setattr(_what_if_attempts, "MAX_PROOF_S", -1.0)

    (item,) = prove(proof_engine, ONE_CITY, {"city": "city 5"}).attempts
    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert item.reason.startswith("Not tried: this proof has taken")


# How often.


def disturb(monkeypatch, *rounds):
    """Runs take these times, in turns without and with the index, and blocks that say nothing."""
    measured, times_ms = _what_if_trial.measured, iter(rounds)

    def disturbed(explain):
        return replace(measured(explain), runs=Runs(next(times_ms), (100, 100, 100)))

    monkeypatch.setattr(_what_if_trial, "measured", disturbed)


def test_runs_that_overlap_are_repeated_in_turns(proof_engine, monkeypatch):
    without, first, quiet = (9.0, 9.1, 9.2), (0.5, 0.6, 20.0), (0.501, 0.51, 0.52)
    disturb(monkeypatch, without, first, (9.3, 9.4, 9.5), quiet, (9.6, 9.7, 9.8), (0.53, 0.54, 0.55))
    proof = prove(proof_engine, ONE_CITY, {"city": "city 5"})

    assert len(proof.base.times_ms) == len(proof.best.runs.times_ms) == 9
    assert proof.best.runs.times_ms[:6] == (*first, *quiet)


def test_what_keeps_overlapping_stays_inconclusive(proof_engine, monkeypatch):
    disturb(monkeypatch, (9.0, 9.1, 9.2), *[(5.0, 5.0, 20.0), (9.0, 2.0, 9.0)] * 2, (5.0, 5.0, 20.0))
    (item,) = prove(proof_engine, ONE_CITY, {"city": "city 5"}).attempts

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert "also in 9 runs" in item.reason
