from tests.plans.case import PlanCase
from tests.plans.servers import from_mariadb

ORDERS = """
CREATE TABLE orders (id int PRIMARY KEY, place int NOT NULL, note varchar(80) NOT NULL);
INSERT INTO orders SELECT seq, seq * 7919 % 300007, REPEAT('x', 40) FROM seq_1_to_300000;
ANALYZE TABLE orders;
"""
CASE = PlanCase(
    setup="",
    fires=from_mariadb(ORDERS, "SELECT * FROM orders ORDER BY place"),
    silent=from_mariadb(ORDERS, "SELECT * FROM orders ORDER BY place LIMIT 10"),
    node="filesort",
    mentions="SET SESSION sort_buffer_size",
)
