from tests.plans.case import PlanCase, Statement

_QUERY = """
SELECT o.id, u.payload FROM orders o JOIN users u ON u.id = o.user_id WHERE o.amount < 900
"""
_ALONE = "SET max_parallel_workers_per_gather = 0; SET track_io_timing = on"
CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, payload text NOT NULL);
    INSERT INTO users SELECT i, repeat('x', 60) FROM generate_series(1, 150000) i;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, amount int NOT NULL);
    INSERT INTO orders SELECT i, 1 + i * 7 % 150000, i % 1000 FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY, before=_ALONE),
    # The memory that is advised.
    silent=Statement(_QUERY, before=f"{_ALONE}; SET work_mem = '16MB'"),
    node="Hash",
    mentions="SET LOCAL work_mem = '16MB';",
)
