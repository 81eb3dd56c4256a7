from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, data jsonb NOT NULL);
    INSERT INTO events
        SELECT i, jsonb_build_object('kind', CASE WHEN i % 5000 = 0 THEN 'refund' ELSE 'order' END)
        FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM events WHERE data ->> 'kind' = :kind", {"kind": "refund"}),
    silent=Statement(
        "SELECT * FROM events WHERE data ->> 'kind' = :kind",
        {"kind": "refund"},
        before="CREATE INDEX ON events ((data ->> 'kind')); ANALYZE events",
    ),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.events ((data ->> 'kind'));\nANALYZE shop.events;",
)
