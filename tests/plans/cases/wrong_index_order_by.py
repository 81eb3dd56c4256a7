from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM orders WHERE status = 'refunded' ORDER BY created_at DESC LIMIT 10"

CASE = PlanCase(
    # The refunded orders are the oldest ones, so the walk from the newest reaches them last.
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, created_at timestamp NOT NULL);
    INSERT INTO orders
        SELECT i, CASE WHEN i <= 2000 THEN 'refunded' ELSE 'paid' END,
               timestamp '2025-01-01' + i * interval '1 minute'
        FROM generate_series(1, 200000) i;
    CREATE INDEX orders_created_at ON orders (created_at);
    """,
    fires=Statement(_QUERY),
    # The same index for the same order, where the newest orders fit.
    silent=Statement(_QUERY.replace("refunded", "paid")),
    node="Index Scan",
    mentions="CREATE INDEX ON shop.orders (status, created_at);",
)
