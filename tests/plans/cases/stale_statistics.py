from tests.plans.case import PlanCase, Statement

_LOAD = """
CREATE TEMPORARY TABLE wanted (order_id int NOT NULL, kind int NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO wanted SELECT i, 1 FROM generate_series(1, 30000) i
"""
_QUERY = "SELECT o.amount FROM wanted w JOIN orders o ON o.id = w.order_id WHERE w.kind = 1"
CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL);
    INSERT INTO orders SELECT i, i % 500 FROM generate_series(1, 100000) i;
    """,
    fires=Statement(_QUERY, before=_LOAD),
    silent=Statement(_QUERY, before="ANALYZE wanted"),
    node="Seq Scan",
    mentions="ANALYZE wanted;",
)
