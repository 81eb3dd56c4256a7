from tests.plans.case import PlanCase, Statement

_SQL = """
SELECT c.id, (SELECT sum(o.amount) FROM orders o WHERE o.customer_id = c.id) FROM customers c ORDER BY c.id
"""

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 200) i;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, amount int NOT NULL);
    INSERT INTO orders SELECT i, 1 + i % 20000, i % 500 FROM generate_series(1, 20000) i;
    """,
    fires=Statement(_SQL),
    # An index finds the few orders of each customer.
    silent=Statement(_SQL, before="CREATE INDEX ON orders (customer_id)"),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.orders (customer_id);",
)
