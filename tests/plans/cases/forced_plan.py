from tests.plans.case import PlanCase, Statement

BY_STATUS = "SELECT count(*) FROM orders WHERE status = 'paid'"
CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL);
    INSERT INTO orders SELECT i, CASE WHEN i % 7 = 0 THEN 'open' ELSE 'paid' END
        FROM generate_series(1, 200000) i;
    """,
    # No index serves the statement, so the scan is used though it is forbidden.
    fires=Statement(BY_STATUS, before="SET enable_seqscan = off"),
    silent=Statement(BY_STATUS, before="SET random_page_cost = 1.1"),
    node="Seq Scan",
    mentions="RESET enable_seqscan;",
)
