from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM users WHERE lower(city) = 'ulm' ORDER BY name"
CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, city text NOT NULL);
    INSERT INTO users
        SELECT i, 'user ' || i * 7 % 100000, CASE WHEN i % 4 = 0 THEN 'Ulm' ELSE 'Bonn' END
        FROM generate_series(1, 100000) i;
    """,
    fires=Statement(_QUERY),
    # What is advised, done.
    silent=Statement(_QUERY, before="CREATE STATISTICS users_lower ON lower(city) FROM users; ANALYZE users"),
    node="Seq Scan",
    mentions="CREATE STATISTICS users_expression_1 ON lower(city) FROM shop.users;",
)
