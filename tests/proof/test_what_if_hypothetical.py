"""What the planner would do, where nothing may be built: PostgreSQL 15 with hypopg."""

import pytest
from what_if_sql import send

from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.what_if import ProofVerdict
from perfkit.proof import _what_if_hypothetical
from perfkit.session import explain

pytest_plugins = ["hypopg_server"]

ONE_CITY = "SELECT * FROM orders WHERE city = :city"
CITY = {"city": "city 5"}


def proof_of(engine, sql=ONE_CITY, parameters=None, **options):
    return explain(engine, sql, parameters, prove=True, **options).proofs[0]


def test_the_planner_is_asked_where_the_server_is_not_the_lab(hypopg_engine):
    proof = proof_of(hypopg_engine, parameters=CITY)
    (item,) = proof.attempts

    assert "not perfkit's lab" in proof.refusal
    assert (item.what, item.verdict) == ("orders (city)", ProofVerdict.EXPECTED)
    assert item.reason.startswith("The planner would use it: cost ")
    assert item.costs[1] < item.costs[0] / 3
    assert item.statement == "CREATE INDEX CONCURRENTLY ON orders (city);"


def test_what_the_planner_says_is_never_called_a_proof(hypopg_engine):
    result = explain(hypopg_engine, ONE_CITY, CITY, prove=True)
    (proof,) = result.proofs

    assert proof.best is None
    assert proof.base is None
    assert not any("Proved" in finding.advice for finding in result.findings)
    assert "PLANNER WOULD" in str(result)
    assert "guesses" in str(result)
    assert "Not proved" in str(result)
    assert "planner would" in result._repr_mimebundle_()["text/html"].lower()


def test_the_person_who_agrees_gets_the_real_index(hypopg_engine):
    proof = proof_of(hypopg_engine, parameters=CITY, confirm=True)

    assert proof.best.what == "orders (city)"
    assert proof.best.costs is None


@pytest.mark.parametrize(
    "condition", ["name LIKE '%mer 1777%'", "name ILIKE 'CUSTOMER 1777'", "name ~ ' 177[0-2]$'"]
)
def test_a_part_of_a_text_is_found_with_the_extension_for_trigrams(hypopg_engine, condition):
    proof = proof_of(hypopg_engine, f"SELECT * FROM names WHERE {condition}", confirm=True)

    assert proof.best.what == "names USING gin (name extensions.gin_trgm_ops)"


def test_an_index_that_the_planner_would_not_use_is_no_help(hypopg_engine):
    proof = proof_of(hypopg_engine, "SELECT * FROM orders WHERE created_at >= '2025-01-03'")

    assert {item.verdict for item in proof.attempts} == {ProofVerdict.NO_HELP}


def test_other_kinds_of_index_are_not_known_to_the_extension(hypopg_engine):
    (item,) = proof_of(hypopg_engine, "SELECT * FROM papers WHERE tags @> ARRAY[7]").attempts

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert "knows no GIN" in item.reason


def test_an_index_that_the_extension_refuses_is_inconclusive(hypopg_engine):
    (item,) = proof_of(hypopg_engine, "SELECT * FROM papers WHERE mark = '7'::xid").attempts

    assert item.verdict is ProofVerdict.INCONCLUSIVE
    assert item.reason.startswith("hypopg refused it")


def test_hypothetical_indexes_of_the_person_stay(hypopg_engine):
    with hypopg_engine.connect() as connection:
        send(connection, "SELECT extensions.hypopg_create_index('CREATE INDEX ON orders (zip)')")
        connection.commit()
        (item,) = explain(connection, ONE_CITY, CITY, prove=True).proofs[0].attempts
        kept = connection.exec_driver_sql("SELECT count(*) FROM extensions.hypopg()").scalar()
        send(connection, "SELECT extensions.hypopg_reset()")

    assert kept == 1
    assert "leaves alone" in item.reason


def test_an_interrupt_leaves_no_hypothetical_index(hypopg_engine, monkeypatch):
    def interrupted(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(_what_if_hypothetical.verdict, "uses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        proof_of(hypopg_engine, parameters=CITY)


def test_the_answer_is_read_back_from_json(hypopg_engine):
    block = trace(proofs=(proof_of(hypopg_engine, parameters=CITY),))

    assert codec.loads(codec.dumps(block)) == block
