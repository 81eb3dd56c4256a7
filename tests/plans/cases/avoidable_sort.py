from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM events ORDER BY created_at DESC LIMIT 10"

CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, created_at timestamp NOT NULL, payload text NOT NULL);
    INSERT INTO events
        SELECT i, timestamp '2025-01-01' + i * interval '1 minute', repeat('x', 60)
        FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY),
    # Sorted as well, but what is sorted was counted before.
    silent=Statement(
        "SELECT created_at::date, count(*) FROM events GROUP BY 1 ORDER BY created_at::date DESC LIMIT 10"
    ),
    node="Sort",
    mentions="CREATE INDEX ON shop.events (created_at);",
)
