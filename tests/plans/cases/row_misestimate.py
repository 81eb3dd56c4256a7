from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    # All open orders are among the last: a range and a value that go together.
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, day int NOT NULL, payload text NOT NULL);
    INSERT INTO orders
        SELECT i, CASE WHEN i > 285000 THEN 'open' ELSE 'paid' END, i / 300, repeat('x', 40)
        FROM generate_series(1, 300000) i;
    """,
    fires=Statement("SELECT * FROM orders WHERE status = 'open' AND day >= 950 ORDER BY payload"),
    silent=Statement("SELECT * FROM orders WHERE status = 'open' ORDER BY payload"),
    node="Seq Scan",
    mentions="ANALYZE shop.orders;",
)
