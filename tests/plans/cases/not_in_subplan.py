from tests.plans.case import PlanCase, Statement

_SQL = "SELECT count(*) FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)"

CASE = PlanCase(
    setup="""
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 1000) i;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL);
    INSERT INTO orders SELECT i, 1 + i % 900 FROM generate_series(1, 100000) i;
    """,
    fires=Statement(_SQL, before="SET work_mem = '64kB'"),
    silent=Statement(_SQL, before="SET work_mem = '16MB'"),
    node="Seq Scan",
    mentions="NOT EXISTS (SELECT FROM shop.orders AS other WHERE other.customer_id = customers.id)",
)
