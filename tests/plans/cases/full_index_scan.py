from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (
        id int PRIMARY KEY, user_id int NOT NULL, region int NOT NULL, payload text NOT NULL
    );
    INSERT INTO orders SELECT i, i % 20000, i % 50, repeat('x', 400) FROM generate_series(1, 150000) i;
    CREATE INDEX orders_user_id ON orders (user_id) INCLUDE (region);
    """,
    fires=Statement(
        "SELECT user_id FROM orders WHERE region = 5", before="SET max_parallel_workers_per_gather = 0"
    ),
    # All entries are read as well, and all are wanted.
    silent=Statement(
        "SELECT sum(user_id) FROM orders WHERE region < 50", before="SET max_parallel_workers_per_gather = 0"
    ),
    node="Index Only Scan",
    mentions="CREATE INDEX ON shop.orders (region) INCLUDE (user_id);",
)
