from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT count(*) FROM orders WHERE id BETWEEN 1 AND 60000"

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL, payload text NOT NULL)
        WITH (autovacuum_enabled = off);
    INSERT INTO orders SELECT i, i, repeat('x', 40) FROM generate_series(1, 200000) i;
    """,
    fires=Statement(_QUERY, before="UPDATE orders SET amount = amount + 1 WHERE id % 3 = 0"),
    silent=Statement(_QUERY, before="VACUUM orders"),
    node="Index Only Scan",
    mentions="VACUUM shop.orders;",
)
