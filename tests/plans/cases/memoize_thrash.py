from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT count(u.payload) FROM visits v JOIN users u ON u.id = v.user_id"
_ALONE = "SET max_parallel_workers_per_gather = 0"
CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, payload text NOT NULL);
    INSERT INTO users SELECT i, repeat('x', 60) FROM generate_series(1, 100000) i;
    CREATE TABLE visits (id int PRIMARY KEY, user_id int NOT NULL);
    INSERT INTO visits SELECT i, 1 + i * 7 % 100000 FROM generate_series(1, 60000) i;
    -- True when it was set.
    ALTER TABLE visits ALTER COLUMN user_id SET (n_distinct = 100);
    """,
    fires=Statement(_QUERY, before=_ALONE),
    silent=Statement(_QUERY, before=f"{_ALONE}; UPDATE visits SET user_id = 1 + user_id % 100"),
    node="Memoize",
    mentions="ALTER TABLE shop.visits ALTER COLUMN user_id RESET (n_distinct);",
)
