from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE o.created >= 950"
CASE = PlanCase(
    # The days go up together, so three ranges leave as many rows as one: 37 are expected.
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, payload text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i, repeat('x', 60) FROM generate_series(1, 20000) i;
    CREATE TABLE orders (
        id int PRIMARY KEY, user_id int NOT NULL, created int NOT NULL, paid int NOT NULL, sent int NOT NULL
    );
    INSERT INTO orders
        SELECT i, 1 + i * 7 % 20000, i / 300, i / 300 + 1, i / 300 + 2 FROM generate_series(1, 300000) i;
    CREATE INDEX ON orders (created);
    """,
    fires=Statement(f"{_QUERY} AND o.paid >= 951 AND o.sent >= 952"),
    silent=Statement(_QUERY),
    node="Index Scan",
    mentions="ANALYZE shop.orders;",
)
