from tests.plans.case import PlanCase, Statement

_SQL = """
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY created_at DESC) AS n FROM orders
) AS o WHERE n = 1
"""

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (
        id int PRIMARY KEY, customer_id int NOT NULL, created_at timestamp NOT NULL, amount int NOT NULL
    );
    INSERT INTO orders
        SELECT i, i % 500, timestamp '2025-01-01' + i * interval '1 minute', i % 100
        FROM generate_series(1, 200000) i;
    """,
    fires=Statement(_SQL, before="SET max_parallel_workers_per_gather = 0"),
    silent=Statement(
        _SQL,
        before="""
        CREATE INDEX ON orders (customer_id, created_at DESC); SET enable_sort = off;
        SET max_parallel_workers_per_gather = 0
        """,
    ),
    node="Sort",
    mentions="o.customer_id = groups.customer_id ORDER BY created_at DESC LIMIT 1) AS firsts\n"
    "CREATE INDEX ON shop.orders (customer_id, created_at DESC);",
)
