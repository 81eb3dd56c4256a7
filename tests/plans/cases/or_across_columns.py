from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, phone text NOT NULL);
    CREATE INDEX ON customers (email);
    INSERT INTO customers
        SELECT i, 'user' || i || '@example.org', '555-' || i FROM generate_series(1, 200000) i;
    """,
    fires=Statement(
        "SELECT * FROM customers WHERE email = :email OR phone = :phone",
        {"email": "user7@example.org", "phone": "555-777"},
    ),
    silent=Statement(
        "SELECT * FROM customers WHERE email = :email OR phone = :phone",
        {"email": "user7@example.org", "phone": "555-777"},
        before="CREATE INDEX ON customers (phone)",
    ),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.customers (phone);",
)
