from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, tenant_id int NOT NULL, status text NOT NULL);
    INSERT INTO orders
        SELECT i, i % 3, CASE WHEN i % 10000 = 0 THEN 'refunded' ELSE 'paid' END
        FROM generate_series(1, 200000) i;
    CREATE INDEX orders_tenant_id ON orders (tenant_id);
    """,
    fires=Statement(
        "SELECT * FROM orders WHERE tenant_id = 1 AND status = 'refunded'",
        before="SET max_parallel_workers_per_gather = 0",
    ),
    # The same index, and nearly all that it leads to is wanted.
    silent=Statement("SELECT * FROM orders WHERE tenant_id = 1 AND status = 'paid'"),
    mentions="CREATE INDEX ON shop.orders (tenant_id, status);",
)
