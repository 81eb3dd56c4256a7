from tests.plans.case import PlanCase, Statement

JOINED = "SELECT sum(o.amount) FROM users u JOIN orders o ON o.user_id = u.id WHERE u.name = :name"
CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'name ' || i % 300 FROM generate_series(1, 6000) i;
    CREATE TABLE orders (
        id int PRIMARY KEY, user_id int NOT NULL, amount int NOT NULL, payload text NOT NULL
    );
    INSERT INTO orders SELECT i, 1 + i % 6000, i % 5000, repeat('x', 80) FROM generate_series(1, 300000) i;
    CREATE INDEX ON orders (user_id);
    """,
    fires=Statement(JOINED, {"name": "nobody"}),
    silent=Statement(JOINED, {"name": "name 7"}),
)
