from tests.plans.case import PlanCase, Statement

_ALONE = "SET max_parallel_workers_per_gather = 0;"
_QUERY = "SELECT * FROM orders WHERE tenant_id = 7 AND product_id = 11"

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, tenant_id int NOT NULL, product_id int NOT NULL, payload text);
    INSERT INTO orders
        SELECT i, i::bigint * 7919 % 12, i::bigint * 104729 % 13, repeat('x', 200)
        FROM generate_series(1, 250000) i;
    CREATE INDEX orders_tenant_id ON orders (tenant_id);
    CREATE INDEX orders_product_id ON orders (product_id);
    """,
    fires=Statement(_QUERY, before=_ALONE),
    silent=Statement(_QUERY, before=f"{_ALONE} CREATE INDEX both_of_them ON orders (tenant_id, product_id)"),
    node="BitmapAnd",
    mentions="CREATE INDEX ON shop.orders (product_id, tenant_id);",
)
