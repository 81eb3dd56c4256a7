from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM events WHERE kind BETWEEN 77 AND 500"

CASE = PlanCase(
    # The rows of each kind are scattered over all pages.
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, kind int NOT NULL, payload text NOT NULL);
    INSERT INTO events SELECT i, i::bigint * 7919 % 5000, repeat('x', 80) FROM generate_series(1, 300000) i;
    CREATE INDEX events_kind ON events (kind);
    """,
    fires=Statement(_QUERY, before="SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0"),
    silent=Statement(_QUERY, before="SET max_parallel_workers_per_gather = 0"),
    node="Bitmap Heap Scan",
    mentions="SET LOCAL work_mem = '4MB';",
)
