"""`explain(..., prove=True)`: the result carries the proof, shows it, and saves it."""

import sys
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfkit.model.codec import dumps
from perfkit.model.plan_builders import node
from perfkit.model.plan_builders import plan as made_plan
from perfkit.session import explain, load, measure, proving

sys.path.insert(0, str(Path(__file__).parents[1] / "proof"))
pytest_plugins = ["what_if_server"]

SQL, VALUES = "SELECT * FROM orders WHERE customer_id = :customer", {"customer": 424242424}


def test_the_result_shows_the_proof_below_the_plan_and_in_the_finding(proof_engine):
    result = explain(proof_engine, SQL, {"customer": 42}, prove=True, confirm=True)

    assert result.proofs[0].best.what == "orders (customer_id)"
    assert result.findings[0].advice.startswith("Proved: ")
    for shown in (str(result), result._repr_mimebundle_()["text/html"]):
        assert "CREATE INDEX CONCURRENTLY ON orders (customer_id);" in shown


def test_a_saved_result_is_the_same_again(proof_engine, tmp_path):
    result = explain(proof_engine, SQL, VALUES, prove=True, confirm=True)
    path = result.save(tmp_path / "proof.json")

    assert load(path) == result.trace
    assert "424242424" not in path.read_text()


def test_without_prove_nothing_is_tried(proof_engine):
    assert explain(proof_engine, SQL, VALUES).trace.proofs is None


def test_a_server_that_is_not_the_lab_gets_the_plan_alone(proof_engine):
    result = explain(proof_engine, SQL, VALUES, prove=True)

    assert result.plan.analyzed
    assert "confirm=True" in result.proofs[0].refusal
    assert "Not proved: This server is not perfkit's lab" in str(result)


def test_a_connection_is_used_as_it_is_and_given_back_without_a_transaction(proof_engine):
    with proof_engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TEMP TABLE mine AS SELECT i AS id FROM generate_series(1, 50000) i"
        )
        connection.commit()
        result = explain(connection, "SELECT * FROM mine WHERE id = 3", prove=True, confirm=True)
        in_transaction = connection.in_transaction()
        connection.exec_driver_sql("DROP TABLE mine")
        connection.commit()

    assert result.proofs[0].best.what == "pg_temp.mine (id)"
    assert not in_transaction


def test_an_async_engine_is_proved_through_a_connection_of_its_own(proof_engine):
    engine = create_async_engine(proof_engine.url)

    assert explain(engine, SQL, VALUES, prove=True, confirm=True).proofs[0].best is not None


def test_the_statements_of_a_proof_are_counted_nowhere(proof_engine):
    with measure("block") as measured:
        explain(proof_engine, SQL, VALUES, prove=True, confirm=True)

    assert measured.trace.queries == ()
    assert measured.trace.transactions == ()


def test_sqlite_gets_the_plan_alone():
    engine = create_engine("sqlite://")
    result = explain(engine, "SELECT 1", prove=True)
    engine.dispose()

    assert "Only on PostgreSQL" in result.proofs[0].refusal


def test_on_mysql_no_index_is_tried():
    never = create_engine("sqlite:///nowhere/at/all")
    plan = replace(made_plan(node("Table Scan")), system_name="mysql")

    refusal = proving.prove(never, "SELECT 1", None, plan, confirmed=True).refusal

    assert "commits the open transaction and stays" in refusal


def test_the_slowest_statements_of_a_block_are_proved_with_the_values_they_had(proof_engine):
    quick, slow = text("SELECT * FROM customers WHERE id = :i"), text(SQL)

    with measure("desk", plans="prove", confirm=True) as block, proof_engine.connect() as connection:
        for number in range(3):
            connection.execute(quick, {"i": number}).all()
            connection.execute(slow, VALUES).all()

    proved = [proof for proof in block.trace.proofs if proof.best]
    assert [proof.best.what for proof in proved] == ["orders (customer_id)"]
    (finding,) = [item for item in block.diagnosis.findings if item.rule == "selective-seq-scan"]
    assert finding.plan == proved[0].plan
    assert finding.advice.startswith("Proved: ")
    assert finding.location.source_text.startswith("connection.execute(slow")
    assert "424242424" not in dumps(block.trace)


def test_a_block_is_not_proved_where_nobody_asked_or_agreed(proof_engine):
    def block(plans):
        with measure("desk", plans=plans) as measured, proof_engine.connect() as connection:
            connection.execute(text(SQL), VALUES).all()
        return measured.trace

    assert block(True).proofs is None
    assert ["confirm=True" in proof.refusal for proof in block("prove").proofs] == [True]


def test_at_most_three_statements_of_a_block_are_proved(proof_engine):
    with measure("desk", plans="prove") as block, proof_engine.connect() as connection:
        for column in ("id", "customer_id", "amount", "status", "city"):
            connection.execute(text(f"SELECT {column} FROM orders WHERE zip = 'none'")).all()

    assert len(block.trace.plans) == 5
    assert [proof.plan for proof in block.trace.proofs] == [0, 1, 2]
