from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL);
    CREATE INDEX ON customers (email);
    INSERT INTO customers SELECT i, 'user' || i || '@example.org' FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM customers WHERE email LIKE :start || '%'", {"start": "user777"}),
    silent=Statement(
        "SELECT * FROM customers WHERE email LIKE :start || '%'",
        {"start": "user777"},
        before="CREATE INDEX ON customers (email text_pattern_ops)",
    ),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.customers (email text_pattern_ops);",
)
