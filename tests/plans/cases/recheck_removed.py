from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, at int NOT NULL, payload text NOT NULL);
    INSERT INTO events SELECT i, i, repeat('x', 40) FROM generate_series(1, 300000) i;
    CREATE INDEX events_at ON events USING brin (at) WITH (pages_per_range = 1024);
    """,
    fires=Statement("SELECT * FROM events WHERE at = 12345"),
    # The same index: most of what it leads to is wanted.
    silent=Statement("SELECT * FROM events WHERE at BETWEEN 1 AND 180000"),
    node="Bitmap Heap Scan",
    mentions="CREATE INDEX ON shop.events (at);",
)
