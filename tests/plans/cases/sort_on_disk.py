from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, at timestamp NOT NULL, payload text NOT NULL);
    INSERT INTO events
        SELECT i, timestamp '2025-01-01' + (i % 1000 * 7919 % 3000) * interval '1 second', repeat('x', 60)
        FROM generate_series(1, 300000) i;
    """,
    fires=Statement("SELECT * FROM events ORDER BY at"),
    silent=Statement("SELECT * FROM events ORDER BY at", before="SET work_mem = '128MB'"),
    node="Sort",
)
