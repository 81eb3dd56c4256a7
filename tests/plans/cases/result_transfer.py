from tests.plans.case import PlanCase
from tests.plans.recording import sent

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (
        id int PRIMARY KEY, amount int NOT NULL, at timestamp NOT NULL, payload text NOT NULL
    );
    INSERT INTO orders SELECT i, i % 5000, timestamp '2026-01-01' + i * interval '1 minute', repeat('x', 200)
        FROM generate_series(1, 200000) i;
    """,
    fires=sent("SELECT * FROM shop.orders"),
    silent=sent("SELECT count(*), sum(amount) FROM shop.orders"),
    mentions="yield_per",
)
