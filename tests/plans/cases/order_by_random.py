from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO products SELECT i, 'product ' || i FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM products ORDER BY random() LIMIT 5"),
    silent=Statement("SELECT * FROM products TABLESAMPLE SYSTEM (2) ORDER BY random() LIMIT 5"),
    node="Sort",
    mentions="FROM shop.products TABLESAMPLE SYSTEM (",
)
