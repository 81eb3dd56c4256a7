"""PostgreSQL 15 and 16 give the same as 18: measured plans, writes undone, tables, other forms."""

import pytest
from plan_server import state
from sqlalchemy import create_engine, text

from perfkit.capture.plans import explain, explain_samples
from perfkit.capture.queries import QueryCollector
from perfkit.model import codec
from perfkit.model.builders import trace


@pytest.fixture(params=["debian_cluster", "wheel_cluster_16"])
def engine(request):
    cluster = request.getfixturevalue(request.param)
    engine = create_engine(cluster.url, pool_size=1, max_overflow=0)
    before = state(engine)
    yield engine
    assert state(engine) == before
    engine.dispose()


def test_a_read_is_measured_and_its_tables_are_described(engine):
    plan = explain(engine, "SELECT * FROM orders WHERE status = :status", {"status": "refunded"})
    (table,) = plan.tables
    assert (plan.analyzed, plan.root.total_rows) == (True, 200)
    assert (table.rows, table.is_analyzed) == (200_000, True)
    assert {index.name for index in table.indexes} == {"orders_pkey", "orders_amount"}
    assert [key.referenced_table for key in plan.foreign_keys] == ["customers"]
    block = trace(plans=(plan,))
    assert codec.loads(codec.dumps(block)) == block
    assert "refunded" not in codec.dumps(block)


def test_a_write_is_planned_and_not_executed(engine):
    assert not explain(engine, "UPDATE watched SET value = 0").analyzed


def test_a_moved_sequence_is_named(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (id serial, value int)")
        plan = explain(
            connection, "INSERT INTO mine (value) SELECT generate_series(1, 500)", analyze_writes=True
        )
        connection.rollback()
    assert plan.analyzed
    assert "mine_id_seq by 500" in plan.notes[1]
    assert "dead rows until VACUUM (mine 500)" in plan.notes[1]


def test_a_timeout_and_a_mistake_are_told(engine):
    assert "cancelled after 0.05 s" in explain(engine, "SELECT pg_sleep(30)", timeout_ms=50).notes[0]
    with pytest.raises(RuntimeError, match="syntax error"):
        explain(engine, "SELECT *\nFORM orders")


def test_a_generic_plan_stands_beside_the_custom_one(engine):
    statement = text("SELECT * FROM orders WHERE status = :status AND id > :id")
    collector = QueryCollector(keep_samples=True)
    collector.start()
    with engine.connect() as connection:
        for _ in range(30):
            connection.execute(statement, {"status": "refunded", "id": 3}).close()
        connection.commit()
    (plan,), notes = explain_samples(collector.stop().samples)
    assert notes == ()
    assert [other.kind for other in plan.alternatives] == ["generic"]
    assert plan.alternatives[0].plan.analyzed
