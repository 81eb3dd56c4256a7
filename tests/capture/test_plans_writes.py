"""A write is measured on request: executed, rolled back, and what a rollback does not undo is named."""

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from perfkit.capture.plans import explain

SETUP = """
CREATE TABLE parents (id int PRIMARY KEY);
INSERT INTO parents SELECT generate_series(1, 500);
CREATE TABLE children (
    id int GENERATED ALWAYS AS IDENTITY, value int CHECK (value < 1000000) UNIQUE,
    parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO children (value, parent) SELECT i, 1 + i % 500 FROM generate_series(1, 2000) i;
CREATE TABLE history (id serial PRIMARY KEY, entry text);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO history (entry) VALUES (OLD.value); RETURN NEW; END$$;
CREATE TRIGGER keep AFTER UPDATE ON children FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TABLE "odd ""<b>" (id serial, "a b" int);
CREATE TABLE watched (id int);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN IF false THEN PERFORM pg_advisory_lock(7); END IF; RETURN NEW; END$$;
CREATE TRIGGER tell AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION tell();
CREATE TRIGGER resting AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION tell();
ALTER TABLE watched DISABLE TRIGGER resting;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE 'never %', NEW.id; END$$;
CREATE TABLE refusing (id int);
CREATE TRIGGER refuse BEFORE INSERT ON refusing FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ROWS = """
SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM children c), (SELECT count(*) FROM history)
"""


@pytest.fixture(scope="module")
def engine(plan_server):
    """A database of its own: dead rows stay."""
    admin = create_engine(plan_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE writes")
    own = create_engine(make_url(plan_server).set(database="writes"))
    with own.begin() as connection:
        connection.exec_driver_sql(SETUP, execution_options={"no_parameters": True})
    yield own
    own.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE writes")
    admin.dispose()


@pytest.fixture(autouse=True)
def rows_stay(engine):
    with engine.connect() as connection:
        before = connection.exec_driver_sql(ROWS).one()
    yield
    with engine.connect() as connection:
        assert connection.exec_driver_sql(ROWS).one() == before


def measured(connectable, statement, parameters=None):
    return explain(connectable, statement, parameters, analyze_writes=True)


def notes_of(connectable, statement, parameters=None):
    return "\n".join(measured(connectable, statement, parameters).notes)


def last_value(engine, sequence):
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT last_value FROM {sequence}").scalar()


def test_without_the_option_a_note_says_how_to_get_more(engine):
    plan = explain(engine, "UPDATE children SET value = value + 2000")
    assert not plan.analyzed
    assert "--analyze-writes" in plan.notes[0]
    assert "analyze_writes=True" in plan.notes[0]


def test_a_write_is_measured_and_its_rows_are_as_they_were(engine):
    plan = measured(engine, "UPDATE children SET value = value + 2000 WHERE id <= 700")
    assert plan.analyzed
    assert plan.root.node_type == "ModifyTable"
    assert [(trigger.name, trigger.calls) for trigger in plan.triggers] == [("keep", 700)]
    assert plan.root.attributes["WAL Records"] > 0
    assert plan.notes[0] == "Executed, and rolled back: the rows are as they were."


def test_a_sequence_that_moved_is_named_with_its_steps(engine):
    before = last_value(engine, "children_id_seq")
    notes = notes_of(engine, "INSERT INTO children (value) SELECT generate_series(5001, 5025)")
    assert last_value(engine, "children_id_seq") == before + 25
    assert "sequences moved on (children_id_seq by 25)" in notes
    assert "history_id_seq" not in notes


def test_a_sequence_moved_by_a_trigger_is_named_too(engine):
    assert "(history_id_seq by 3)" in notes_of(engine, "UPDATE children SET value = -value WHERE id <= 3")


def test_a_write_without_sequences_names_none(engine):
    assert "sequences" not in notes_of(engine, "DELETE FROM history")


def test_dead_rows_and_growth_are_named_with_their_tables(engine):
    notes = notes_of(engine, "UPDATE children SET value = value + 10000")
    assert "dead rows until VACUUM (children 2,000, history 2,000)" in notes
    assert "larger tables (children by " in notes
    assert "kB of WAL" in notes


def test_rows_that_the_open_transaction_wrote_are_not_ours(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO children (value) SELECT generate_series(7001, 7300)")
        assert "dead rows until VACUUM (children 4)" in notes_of(
            connection, "INSERT INTO children (value) SELECT generate_series(8001, 8004)"
        )
        assert connection.exec_driver_sql("SELECT count(*) FROM children").scalar() == 2300
        connection.rollback()


def test_a_delete_leaves_no_dead_row(engine):
    assert "dead rows" not in notes_of(engine, "DELETE FROM children WHERE id < 100")


def test_deferred_constraints_are_checked_at_once_so_that_their_time_appears(engine):
    plan = measured(
        engine, "INSERT INTO children (value, parent) SELECT i, 1 FROM generate_series(9001, 9100) i"
    )
    assert [(trigger.constraint_name, trigger.calls) for trigger in plan.triggers] == [
        ("children_parent_fkey", 100)
    ]


def test_deferred_constraints_of_the_open_transaction_stay_deferred(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO children (value, parent) VALUES (9999, 77777)")
        plan = measured(connection, "INSERT INTO children (value, parent) VALUES (9998, 1)")
        assert not plan.analyzed
        assert 'violates foreign key constraint "children_parent_fkey"' in plan.notes[0]
        connection.exec_driver_sql("UPDATE children SET parent = 1 WHERE value = 9999")
        assert measured(connection, "INSERT INTO children (value, parent) VALUES (9997, 1)").analyzed
        connection.exec_driver_sql("INSERT INTO children (value, parent) VALUES (9996, 88888)")
        connection.rollback()


@pytest.mark.parametrize(
    ("statement", "parameters", "reason"),
    [
        ("INSERT INTO children (value) VALUES (:v)", {"v": 2}, "violates unique constraint"),
        ("INSERT INTO children (value) VALUES (:v)", {"v": 1234567}, "violates check constraint"),
        ("INSERT INTO children (parent) VALUES (:v)", {"v": 4712}, "violates foreign key constraint"),
    ],
)
def test_a_write_that_is_refused_has_a_plan_and_a_reason_without_values(
    engine, statement, parameters, reason
):
    plan = measured(engine, statement, parameters)
    assert not plan.analyzed
    assert reason in plan.notes[0]
    assert str(parameters["v"]) not in plan.notes[0].replace("children", "")


def test_what_a_trigger_says_about_a_value_is_not_repeated(engine):
    with pytest.raises(Exception, match="refused the statement") as caught:
        measured(engine, "INSERT INTO refusing VALUES (:id)", {"id": 4711})
    assert "4711" not in str(caught.value)


def test_triggers_that_reach_out_may_have_acted_and_resting_ones_may_not(engine):
    notes = notes_of(engine, "INSERT INTO watched VALUES (1)")
    assert (
        "May have acted outside of the transaction: the trigger tell on watched, written in plpgsql." in notes
    )
    assert "resting" not in notes
    assert "trigger" not in notes_of(engine, "UPDATE children SET value = -value WHERE id = 1")


def test_advisory_locks_that_the_statement_took_are_given_back_and_others_kept(engine):
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    statement = "SELECT pg_advisory_lock(id), pg_advisory_lock_shared(-5, id) FROM parents WHERE id <= 3"
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(-9), pg_advisory_lock(9)")
        assert "the function pg_advisory_lock" in notes_of(connection, statement)
        assert connection.exec_driver_sql(held).scalar() == 2
        assert not explain(connection, statement).analyzed
        connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")
        connection.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_lock(1)",
        'SELECT "pg_try_advisory_lock"(1)',
        "SELECT pg_catalog.pg_terminate_backend(0)",
        "SELECT lo_export(1, '/tmp/x')",
    ],
)
def test_a_function_that_acts_outside_of_the_transaction_is_not_executed_by_itself(engine, statement):
    assert not explain(engine, statement).analyzed


@pytest.mark.parametrize(
    "statement",
    ["SELECT 'pg_advisory_lock(1)'", "SELECT 1 AS pg_advisory_lock", "SELECT pg_size_pretty(1::bigint)"],
)
def test_what_only_looks_like_such_a_function_is_executed(engine, statement):
    assert explain(engine, statement).analyzed


def test_names_with_quotes_and_markup_are_shown_as_sql_wants_them(engine):
    notes = notes_of(engine, 'INSERT INTO "odd ""<b>" ("a b") SELECT generate_series(1, 10)')
    assert 'dead rows until VACUUM ("odd ""<b>" 10)' in notes
    assert '"odd ""<b>_id_seq" by 10' in notes


def test_a_session_that_may_only_read_says_so(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        plan = measured(connection, "DELETE FROM children")
        assert not plan.analyzed
        assert "may only read" in plan.notes[0]
        connection.rollback()


def test_a_write_that_takes_too_long_has_a_plan(engine):
    plan = explain(
        engine,
        "INSERT INTO history (entry) SELECT pg_sleep(30)::text",
        analyze_writes=True,
        timeout_ms=50,
    )
    assert "cancelled after 0.05 s" in plan.notes[0]
    assert not plan.analyzed


def test_what_was_done_before_a_failure_is_named_too(engine):
    plan = measured(
        engine,
        "INSERT INTO children (value) SELECT CASE WHEN i < 500 THEN 20000 + i ELSE 1 END"
        " FROM generate_series(1, 500) i",
    )
    assert not plan.analyzed
    assert "violates unique constraint" in plan.notes[0]
    assert "children_id_seq by 500" in plan.notes[1]
    assert "dead rows until VACUUM (children 500)" in plan.notes[1]


def test_autocommit_is_no_danger(engine):
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert measured(connection, "DELETE FROM children").analyzed


def test_a_user_who_may_not_see_sequences_is_told_so(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE clerk")
        connection.exec_driver_sql("GRANT SELECT, INSERT ON children TO clerk")
        connection.exec_driver_sql("SET LOCAL ROLE clerk")
        plan = measured(connection, "INSERT INTO children (value) VALUES (4444)")
        connection.rollback()
    assert plan.analyzed
    assert "steps of sequences that this user may not look at" in plan.notes[1]
