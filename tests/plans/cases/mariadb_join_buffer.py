from tests.plans.case import PlanCase
from tests.plans.servers import from_mariadb

TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, city int NOT NULL);
INSERT INTO customers SELECT seq, seq % 100 FROM seq_1_to_5000;
CREATE TABLE tags (id int PRIMARY KEY, label int NOT NULL);
INSERT INTO tags SELECT seq, seq % 50 FROM seq_1_to_1000;
ANALYZE TABLE customers, tags;
"""
COUNTED = "SELECT count(*) FROM customers c JOIN tags t ON t.label = c.city"
CASE = PlanCase(
    setup="",
    fires=from_mariadb(TABLES, COUNTED),
    silent=from_mariadb(f"{TABLES} CREATE INDEX tags_label ON tags (label);", COUNTED),
    node="block-nl-join",
    mentions="ALTER TABLE `customers` ADD INDEX (`city`);",
)
