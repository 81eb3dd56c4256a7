from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT user_id, max(amount), min(note) FROM orders GROUP BY user_id"
_ALONE = "SET max_parallel_workers_per_gather = 0"
CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, amount int NOT NULL, note text NOT NULL);
    INSERT INTO orders SELECT i, i * 7 % 200000, i % 1000, 'note ' || i FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY, before=_ALONE),
    # The memory that is advised.
    silent=Statement(_QUERY, before=f"{_ALONE}; SET work_mem = '16MB'"),
    node="Aggregate",
    mentions="SET LOCAL work_mem = '16MB';",
)
