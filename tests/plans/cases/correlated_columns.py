from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM addresses WHERE city = 7 AND zip = 7 ORDER BY id"
CASE = PlanCase(
    setup="""
    CREATE TABLE addresses (id int PRIMARY KEY, city int NOT NULL, zip int NOT NULL, payload text NOT NULL);
    INSERT INTO addresses SELECT i, i % 100, i % 100, repeat('x', 40) FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_QUERY),
    # What is advised, done.
    silent=Statement(
        _QUERY,
        before="CREATE STATISTICS city_zip (dependencies) ON city, zip FROM addresses; ANALYZE addresses",
    ),
    node="Seq Scan",
    mentions="CREATE STATISTICS addresses_city_zip (dependencies) ON city, zip FROM shop.addresses;",
)
