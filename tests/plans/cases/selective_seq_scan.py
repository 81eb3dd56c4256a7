from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, status text NOT NULL);
    INSERT INTO orders
        SELECT i, i % 20000, CASE WHEN i % 7 = 0 THEN 'open' ELSE 'paid' END
        FROM generate_series(1, 300000) i;
    """,
    fires=Statement("SELECT * FROM orders WHERE user_id = :user", {"user": 42}),
    silent=Statement("SELECT * FROM orders WHERE status = 'paid'"),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.orders (user_id);",
)
