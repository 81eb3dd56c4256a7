from tests.plans.case import PlanCase
from tests.plans.servers import from_sqlite

TABLES = """
CREATE TABLE orders (id integer PRIMARY KEY, user_id int NOT NULL, status text NOT NULL, amount int NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
    INSERT INTO orders SELECT i, i * 7919 % 5000, iif(i % 1000 = 0, 'refunded', 'paid'), i * 31 % 5003 FROM n;
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL, city int NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO users SELECT i, 'user ' || i, i % 100 FROM n;
"""
CASE = PlanCase(
    setup="",
    fires=from_sqlite(
        TABLES,
        "SELECT name, (SELECT count(*) FROM orders WHERE orders.user_id = users.id) FROM users WHERE id < 9",
    ),
    silent=from_sqlite(
        TABLES, "SELECT name, (SELECT amount FROM orders WHERE orders.id = users.id) FROM users WHERE id < 9"
    ),
    node="SCAN",
    mentions="CREATE INDEX orders_user_id ON orders (user_id);",
)
