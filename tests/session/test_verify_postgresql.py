"""What counts as a write, and what is run again, on a real PostgreSQL."""

import pytest
from sqlalchemy import create_engine, text

from perfkit.session import verify
from tests.plan_server import server_url

CHANGES = {
    "INSERT": "INSERT INTO counted VALUES (1)",
    "UPDATE": "WITH new AS (SELECT 1 AS a) UPDATE counted SET a = new.a FROM new",
    "DELETE": "WITH gone AS (DELETE FROM counted RETURNING a) SELECT count(*) FROM gone",
    "CREATE": "CREATE TEMPORARY TABLE another (a int) ON COMMIT DROP",
    "SELECT INTO": "SELECT * INTO TEMPORARY copied FROM counted",
}
READS = ["SELECT a FROM counted FOR UPDATE", "WITH c AS (SELECT a FROM counted FOR SHARE) SELECT a FROM c"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    yield from server_url(str(tmp_path_factory.mktemp("verify") / "server"))


@pytest.fixture
def engine(url):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS counted"))
        connection.execute(text("CREATE TABLE counted AS SELECT 1 AS a"))
    yield engine
    engine.dispose()


def runs(engine, statement, calls):
    def run():
        calls.append(1)
        with engine.begin() as connection:
            connection.execute(text(statement))

    return run


@pytest.mark.parametrize(("verb", "statement"), CHANGES.items())
def test_what_changes_data_runs_once(engine, verb, statement):
    calls = []
    proof = verify(runs(engine, statement, calls), lambda: None)
    assert len(calls) == 1
    assert f"before sent 1 × {verb}." in proof.verification.not_timed


@pytest.mark.parametrize("statement", READS)
def test_what_locks_rows_is_run_again(engine, statement):
    calls = []
    proof = verify(runs(engine, statement, calls), lambda: None, budget_s=0.3)
    assert len(calls) > 1
    assert proof.verification.timing is not None
