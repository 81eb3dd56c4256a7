from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, joined timestamptz NOT NULL);
    INSERT INTO customers
        SELECT i, 'User' || i || '@example.org', timestamptz '2025-01-01 00:00+00' + i * interval '1 minute'
        FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM customers WHERE lower(email) = :email", {"email": "user77@example.org"}),
    silent=Statement(
        "SELECT * FROM customers WHERE lower(email) = :email",
        {"email": "user77@example.org"},
        before="CREATE INDEX ON customers (lower(email)); ANALYZE customers",
    ),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.customers (lower(email));\nANALYZE shop.customers;",
)
