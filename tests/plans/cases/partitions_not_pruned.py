from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE events (
        id int NOT NULL, user_id int NOT NULL, created_at date NOT NULL, payload text NOT NULL
    ) PARTITION BY RANGE (created_at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
    CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2025-03-01') TO ('2025-04-01');
    CREATE TABLE events_4 PARTITION OF events FOR VALUES FROM ('2025-04-01') TO ('2025-05-01');
    INSERT INTO events
        SELECT i, i % 5000, date '2025-01-01' + i % 120, repeat('x', 40) FROM generate_series(1, 250000) i;
    """,
    fires=Statement(
        "SELECT * FROM events WHERE date_trunc('month', created_at) = date '2025-02-01'",
        before="SET max_parallel_workers_per_gather = 0",
    ),
    # Three months, and the fourth was left out.
    silent=Statement(
        "SELECT * FROM events WHERE created_at >= '2025-01-01' AND created_at < '2025-04-01' AND id % 9 = 0",
        before="SET max_parallel_workers_per_gather = 0",
    ),
    node="Append",
    mentions="WHERE created_at >= :from_value AND created_at < :to_value",
)
