from tests.plans.case import PlanCase
from tests.plans.servers import from_mariadb

ORDERS = """
CREATE TABLE orders (
    id int PRIMARY KEY, status varchar(12) NOT NULL, amount int NOT NULL, note varchar(80) NOT NULL
);
INSERT INTO orders
    SELECT seq, IF(seq % 1000 = 0, 'refunded', 'paid'), seq % 5000, REPEAT('x', 40) FROM seq_1_to_200000;
ANALYZE TABLE orders;
"""
CASE = PlanCase(
    setup="",
    fires=from_mariadb(ORDERS, "SELECT o.* FROM orders o WHERE o.status = 'refunded'"),
    silent=from_mariadb(ORDERS, "SELECT o.* FROM orders o WHERE o.status = 'paid'"),
    node="full table scan",
    mentions="ALTER TABLE `orders` ADD INDEX (`status`);",
)
