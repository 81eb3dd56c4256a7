from tests.plans.case import PlanCase, Statement

_QUERY = "WITH recent AS {} (SELECT * FROM events WHERE at < 900) SELECT count(*) FROM recent WHERE id > 10"
CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, at int NOT NULL, payload text NOT NULL);
    INSERT INTO events SELECT i, i % 1000, repeat('x', 60) FROM generate_series(1, 200000) i;
    """,
    fires=Statement(_QUERY.format("MATERIALIZED")),
    silent=Statement(_QUERY.format("NOT MATERIALIZED")),
    node="CTE Scan",
    mentions="NOT MATERIALIZED",
)
