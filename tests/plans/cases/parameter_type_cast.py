from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, payload text NOT NULL);
    INSERT INTO orders SELECT i, repeat('x', 40) FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM orders WHERE id = :id", {"id": 42.0}),
    silent=Statement("SELECT * FROM orders WHERE id = :id", {"id": 42}),
    node="Seq Scan",
    mentions="int(value), or cast the value in the statement.\nWHERE id = CAST(:value AS integer)",
)
