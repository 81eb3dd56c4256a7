from tests.plans.case import PlanCase, Statement

_JOIN = "SELECT c.id, o.id FROM customers c JOIN orders o ON o.customer_id = c.id WHERE "

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, city text NOT NULL);
    INSERT INTO customers
        SELECT i, 'user' || i || '@example.org', 'city ' || i FROM generate_series(1, 50000) i;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, note text NOT NULL);
    INSERT INTO orders SELECT i, 1 + i % 50000, 'note ' || i FROM generate_series(1, 200000) i;
    """,
    fires=Statement(
        _JOIN + "c.email = :email OR o.note = :note", {"email": "user7@example.org", "note": "note 777"}
    ),
    # One table only: it is narrowed before the join.
    silent=Statement(
        _JOIN + "c.email = :email OR c.city = :city", {"email": "user7@example.org", "city": "city 9"}
    ),
    node="Hash Join",
    mentions="UNION\nSELECT ... WHERE (o.note = ?::text)",
)
