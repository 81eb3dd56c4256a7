from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, firm int NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i, i % 2 FROM generate_series(1, 1000) i;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL, status text NOT NULL, firm int NOT NULL);
    INSERT INTO orders
        SELECT i, i % 1000, CASE WHEN i % 10 = 0 THEN 'open' ELSE 'paid' END, i % 2
        FROM generate_series(1, 5000) i;
    """,
    fires=Statement("SELECT DISTINCT u.name FROM users u, orders o WHERE o.status = 'open'"),
    # The planner joins them by nothing, but the value that both have ties them.
    silent=Statement("SELECT DISTINCT u.name FROM users u JOIN orders o ON o.firm = u.firm WHERE u.firm = 1"),
    node="Nested Loop",
    mentions="FROM users u JOIN orders o ON o.key = u.key",
)
