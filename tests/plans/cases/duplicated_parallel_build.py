from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT count(u.name) FROM orders o JOIN users u ON u.id = o.user_id"
CASE = PlanCase(
    # A table of 7 MB, just below the size from which workers share it.
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user' FROM generate_series(1, 170000) i;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, payload text NOT NULL);
    INSERT INTO orders SELECT i, 1 + i * 7 % 170000, repeat('x', 30) FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY),
    silent=Statement(_QUERY, before="SET min_parallel_table_scan_size = '1MB'"),
    node="Hash",
    mentions="SET LOCAL min_parallel_table_scan_size = '1MB';",
)
