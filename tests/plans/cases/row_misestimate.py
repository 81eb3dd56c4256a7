from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE addresses (id int PRIMARY KEY, city int NOT NULL, zip int NOT NULL, payload text NOT NULL);
    INSERT INTO addresses SELECT i, i % 100, i % 100, repeat('x', 40) FROM generate_series(1, 300000) i;
    """,
    fires=Statement("SELECT * FROM addresses WHERE city = 7 AND zip = 7 ORDER BY id"),
    silent=Statement("SELECT * FROM addresses WHERE city = 7 ORDER BY id"),
    node="Seq Scan",
    mentions="CREATE STATISTICS",
)
