from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, payload text NOT NULL);
    INSERT INTO orders SELECT i, i % 20000, repeat('x', 40) FROM generate_series(1, 200000) i;
    CREATE INDEX ON orders (customer_id);
    """,
    fires=Statement(
        "WITH recent AS MATERIALIZED (SELECT * FROM orders) SELECT * FROM recent WHERE customer_id = 42"
    ),
    silent=Statement("WITH recent AS (SELECT * FROM orders) SELECT * FROM recent WHERE customer_id = 42"),
    node="CTE Scan",
    mentions="WITH recent AS (SELECT ...)",
)
