from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM events WHERE user_id > 100 ORDER BY user_id LIMIT 20000"

CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, user_id int NOT NULL, payload text NOT NULL);
    INSERT INTO events
        SELECT i, i::bigint * 7919 % 300000, repeat('x', 100) FROM generate_series(1, 300000) i;
    CREATE INDEX events_user_id ON events (user_id);
    """,
    fires=Statement(_QUERY),
    # The same rows through the same index, after the advice was taken.
    silent=Statement(_QUERY, before="CLUSTER events USING events_user_id"),
    node="Index Scan",
    mentions="CLUSTER shop.events USING events_user_id;",
)
