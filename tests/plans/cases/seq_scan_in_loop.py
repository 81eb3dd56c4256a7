from tests.plans.case import PlanCase, Statement

_QUERY = """
SELECT c.id, (SELECT sum(i.price) FROM items i WHERE i.customer_id = c.id) FROM customers c WHERE c.id <= 20
"""

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY);
    INSERT INTO customers SELECT generate_series(1, 2000);
    CREATE TABLE items (id int PRIMARY KEY, customer_id int NOT NULL, price int NOT NULL);
    INSERT INTO items SELECT i, 1 + i % 2000, i % 500 FROM generate_series(1, 50000) i;
    """,
    fires=Statement(_QUERY),
    # Each customer's items are looked up, and still once for each customer.
    silent=Statement(_QUERY, before="CREATE INDEX ON items (customer_id)"),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.items (customer_id);",
)
