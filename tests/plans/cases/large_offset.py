from tests.plans.case import PlanCase, Statement

_SQL = "SELECT * FROM orders ORDER BY created_at DESC LIMIT 10 OFFSET :skip"

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, created_at timestamp NOT NULL, payload text NOT NULL);
    INSERT INTO orders
        SELECT i, timestamp '2025-01-01' + i * interval '1 minute', repeat('x', 40)
        FROM generate_series(1, 200000) i;
    CREATE INDEX ON orders (created_at);
    """,
    fires=Statement(_SQL, {"skip": 150_000}),
    silent=Statement(_SQL, {"skip": 90}),
    node="Limit",
    mentions="WHERE (created_at, id) < (:last_created_at, :last_id) ORDER BY created_at DESC, id DESC",
)
