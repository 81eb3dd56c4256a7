from tests.plans.case import PlanCase, Statement

_SQL = "SELECT count(DISTINCT customer_id) FROM orders"

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL);
    INSERT INTO orders SELECT i, i % 1000 * 7919 % 1000 FROM generate_series(1, 300000) i;
    """,
    fires=Statement(_SQL, before="SET max_parallel_workers_per_gather = 0"),
    silent=Statement(_SQL, before="SET max_parallel_workers_per_gather = 0; SET work_mem = '64MB'"),
    node="Sort",
    mentions="SELECT count(customer_id) FROM (SELECT DISTINCT customer_id FROM shop.orders) AS d",
)
