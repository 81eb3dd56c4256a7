from tests.plans.case import PlanCase, Statement

EAGER = """
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
"""
CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL, payload text NOT NULL);
    INSERT INTO orders SELECT i, i % 5000, repeat('x', 60) FROM generate_series(1, 300000) i;
    """,
    fires=Statement("SELECT sum(sqrt(amount)) FROM orders", before=f"{EAGER} SET max_parallel_workers = 0"),
    silent=Statement("SELECT sum(sqrt(amount)) FROM orders", before=f"{EAGER} SET max_parallel_workers = 8"),
    node="Gather",
    mentions="SHOW max_parallel_workers;",
)
