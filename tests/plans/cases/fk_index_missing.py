from tests.plans.case import PlanCase, Statement

_DELETE = "DELETE FROM users WHERE id <= 40"
CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 2000) i;
    CREATE TABLE orders (
        id int PRIMARY KEY,
        user_id int NOT NULL CONSTRAINT orders_user REFERENCES users (id) ON DELETE CASCADE
    );
    INSERT INTO orders SELECT i, 1 + i % 2000 FROM generate_series(1, 100000) i;
    """,
    fires=Statement(_DELETE, analyze_writes=True),
    # What is advised, done.
    silent=Statement(_DELETE, before="CREATE INDEX ON orders (user_id)", analyze_writes=True),
    node="ModifyTable",
    mentions="CREATE INDEX ON orders (user_id);",
)
