from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    # The rows of each tenant are scattered over all pages.
    setup="""
    CREATE TABLE orders (
        id int PRIMARY KEY, tenant_id int NOT NULL, amount int NOT NULL, payload text NOT NULL
    );
    INSERT INTO orders
        SELECT i, i::bigint * 7919 % 30, i % 1000, repeat('x', 150) FROM generate_series(1, 300000) i;
    CREATE INDEX orders_tenant_id ON orders (tenant_id);
    """,
    fires=Statement("SELECT sum(amount) FROM orders WHERE tenant_id = 7"),
    # The same rows, with a column that is too wide for an index.
    silent=Statement("SELECT max(payload) FROM orders WHERE tenant_id = 7"),
    node="Bitmap Heap Scan",
    mentions="CREATE INDEX ON shop.orders (tenant_id) INCLUDE (amount);",
)
