from tests.plans.case import PlanCase, Statement

_QUERY = """
SELECT a.payload, s.id FROM addresses a JOIN sessions s ON s.user_id = a.user_id
WHERE a.region = 1 AND a.city = 1 AND a.zip = 1
"""
_SMALL = "SET work_mem = '1MB'; SET max_parallel_workers_per_gather = 0"
CASE = PlanCase(
    # Each of the columns has the values of the others, so a third remains where a part of 27 is expected.
    setup="""
    CREATE TABLE sessions (id int PRIMARY KEY, user_id int NOT NULL);
    INSERT INTO sessions SELECT i, i FROM generate_series(1, 30000) i;
    CREATE TABLE addresses (
        id int PRIMARY KEY, user_id int NOT NULL, region int NOT NULL, city int NOT NULL, zip int NOT NULL,
        payload text NOT NULL
    );
    INSERT INTO addresses SELECT i, i, i % 3, i % 3, i % 3, repeat('x', 60) FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY, before=_SMALL),
    silent=Statement(
        _QUERY,
        before=f"{_SMALL}; CREATE STATISTICS places (dependencies) ON region, city, zip FROM addresses; "
        "ANALYZE addresses",
    ),
    node="Hash",
    mentions="ANALYZE shop.addresses;",
)
