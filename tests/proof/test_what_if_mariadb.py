"""Indexes on MariaDB are built for all to see, and are gone afterwards whatever happened."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event

from perfkit.model.plan_builders import node, plan
from perfkit.model.what_if import ProofVerdict
from perfkit.proof import what_if_mariadb
from perfkit.proof._mariadb_plan import translated
from perfkit.session import explain

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest_plugins = ["mariadb_server"]

SETUP = (
    """CREATE TABLE large (id int PRIMARY KEY, tenant int NOT NULL, amount int NOT NULL, status varchar(10),
       body text, `a ``b` int NOT NULL)""",
    "INSERT INTO large SELECT seq, seq % 400, seq * 31 % 5000, if(seq % 1000, 'paid', 'open'),"
    " concat('body ', seq), seq % 3000 FROM seq_1_to_60000",
    "CREATE INDEX large_amount ON large (amount)",
    "ANALYZE TABLE large",
)
TENANT = "SELECT * FROM large WHERE tenant = :tenant ORDER BY amount DESC LIMIT 10"
SEVEN = {"tenant": 7}
_STATE = (
    "SELECT group_concat(INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME ORDER BY 1) "
    "FROM information_schema.STATISTICS",
    "SELECT count(*), sum(amount) FROM large",
)


@pytest.fixture(scope="session")
def proof_mariadb(mariadb_server):
    """The address of the server with a table that is large enough."""
    engine = create_engine(mariadb_server)
    with engine.begin() as connection:
        for statement in SETUP:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    engine.dispose()
    return mariadb_server


@pytest.fixture
def large_engine(proof_mariadb):
    """An engine on a database that has its rows and its indexes, and no others, afterwards."""
    engine = create_engine(proof_mariadb)
    before = state(engine)
    yield engine
    after = state(engine)
    engine.dispose()
    assert after == before


def state(engine):
    with engine.connect() as connection:
        return [connection.exec_driver_sql(sql).one() for sql in _STATE]


def proof_of(connectable, sql=TENANT, parameters=None, **options):
    return explain(connectable, sql, parameters, prove=True, **{"confirm": True, **options}).proofs[0]


def attempt(proof, what):
    return next(item for item in proof.attempts if item.what == what)


def test_equality_and_order_are_tried_and_proved(large_engine):
    proof = proof_of(large_engine, parameters=SEVEN)

    assert proof.best.what in ("large (tenant, amount)", "large (tenant)")
    assert attempt(proof, "large (tenant, amount)").verdict is ProofVerdict.PROVED
    assert (
        attempt(proof, "large (tenant, amount)").statement == "ALTER TABLE large ADD INDEX (tenant, amount);"
    )
    assert proof.best.runs.median_blocks < proof.base.median_blocks
    assert "was dropped again" in proof.notes[-1]
    assert proof.best.write_share is None


def test_the_person_is_asked_first(large_engine):
    proof = proof_of(large_engine, parameters=SEVEN, confirm=False)

    assert proof.attempts == ()
    assert "cannot roll an index back" in proof.refusal
    assert "large (" in proof.refusal
    assert "--prove --yes" in proof.refusal


def test_what_is_open_on_the_connection_of_the_person_is_not_committed(large_engine):
    with large_engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO customers VALUES (90000, 'x')")
        proof = proof_of(connection, parameters=SEVEN)
        connection.rollback()
        left = connection.exec_driver_sql("SELECT count(*) FROM customers WHERE id = 90000").scalar()
    for a in proof.attempts:
        print(a)

    assert left == 0
    assert "An open transaction uses large, perhaps your own" in proof.attempts[0].reason


def test_odd_names_are_quoted_as_mariadb_wants_it(large_engine):
    proof = proof_of(large_engine, "SELECT * FROM large WHERE `a ``b` = 17")

    assert proof.best.what == "large (`a ``b`)"


def test_columns_that_are_read_too_come_last(large_engine):
    proof = proof_of(large_engine, "SELECT sum(amount) FROM large WHERE tenant = 7")

    assert attempt(proof, "large (tenant, amount)").runs is not None


def test_an_index_that_exists_is_not_built_again(large_engine):
    item = attempt(proof_of(large_engine, "SELECT * FROM large WHERE amount > 100"), "large (amount)")

    assert item.verdict is ProofVerdict.REJECTED
    assert item.reason.startswith("large_amount exists but is not used")


def test_who_holds_the_table_makes_it_inconclusive(large_engine, monkeypatch):
    monkeypatch.setattr(what_if_mariadb.trial, "LOCK_TIMEOUT_MS", 1000)
    with large_engine.connect() as other:
        other.exec_driver_sql("UPDATE large SET amount = amount WHERE id = 1")
        items = proof_of(large_engine, parameters=SEVEN).attempts
        other.rollback()

    assert {item.verdict for item in items} == {ProofVerdict.INCONCLUSIVE}
    assert "An open transaction uses large" in items[0].reason


def test_an_interrupt_while_it_is_measured_leaves_no_index(large_engine, monkeypatch):
    def interrupted(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(what_if_mariadb._Trials, "run_base", lambda self: measured(self.explain))
    measured = what_if_mariadb.trial.measured
    monkeypatch.setattr(what_if_mariadb.trial, "measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        proof_of(large_engine, parameters=SEVEN)


def test_a_lost_connection_leaves_no_index(large_engine):
    killer = create_engine(large_engine.url)

    def kill(connection, cursor, statement, parameters, context, executemany):
        if "FOR CREATE INDEX" in statement:
            number = connection.connection.dbapi_connection.thread_id()
            with killer.connect() as other:
                other.exec_driver_sql(f"KILL {number}")

    from sqlalchemy.engine import Engine

    event.listen(Engine, "after_cursor_execute", kill)
    try:
        proof = proof_of(large_engine, parameters=SEVEN)
    finally:
        event.remove(Engine, "after_cursor_execute", kill)
        killer.dispose()

    assert proof.best is None
    assert not any("could not be dropped" in note for note in proof.notes)


def test_an_index_that_stays_is_named_with_the_way_to_drop_it(large_engine, monkeypatch):
    send = what_if_mariadb._send

    def failing(connection, statement, lock_s):
        if statement.startswith("DROP INDEX"):
            raise what_if_mariadb.SQLAlchemyError
        send(connection, statement, lock_s)

    monkeypatch.setattr(what_if_mariadb, "_send", failing)
    proof = proof_of(large_engine, parameters=SEVEN)
    with large_engine.connect() as connection:
        for note in proof.notes:
            if "could not be dropped" in note:
                connection.exec_driver_sql(note.partition("Drop it: ")[2].removesuffix(";"))

    assert sum("could not be dropped" in note for note in proof.notes) == 1
    assert proof.attempts[-1].reason == "Not tried any more."


def test_a_plan_of_mariadb_is_translated_for_the_choice_of_indexes():
    condition = {"attached_condition": "t.`status` = 'x' and t.`a b` > 3"}
    scan = replace(node("full table scan", ms=9, relation_name="t", alias="t"), attributes=condition)
    sort = replace(node("filesort", scan, ms=10), attributes={"sort_key": "t.`n x` desc, t.id"})
    root = node("query_block", sort, ms=10)
    found = translated(plan(root, query_text="SELECT * FROM t WHERE status = 'x' LIMIT 3"))

    assert [item.node_type for item in found.nodes()] == ["Limit", "Sort", "Seq Scan"]
    assert found.node(1).attributes["Sort Key"] == ['t."n x" DESC', "t.id"]
    assert found.node(2).attributes["Filter"] == "t.status = 'x' AND t.\"a b\" > 3"


def test_a_condition_that_cannot_be_read_is_left_out():
    scan = replace(node("full table scan"), attributes={"attached_condition": "<cache>(a) = ("})
    found = translated(plan(scan))

    assert found.root.attributes == {}
