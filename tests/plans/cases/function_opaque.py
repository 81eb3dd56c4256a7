from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, amount int NOT NULL);
    INSERT INTO orders SELECT i, i % 20000, i % 500 FROM generate_series(1, 200000) i;
    CREATE FUNCTION totals() RETURNS TABLE (customer_id int, amount bigint) LANGUAGE plpgsql AS $$
    BEGIN RETURN QUERY SELECT o.customer_id, sum(o.amount) FROM orders o GROUP BY o.customer_id; END $$;
    CREATE FUNCTION totals_inlined() RETURNS TABLE (customer_id int, amount bigint) LANGUAGE sql STABLE AS $$
    SELECT o.customer_id, sum(o.amount) FROM orders o GROUP BY o.customer_id $$;
    """,
    fires=Statement("SELECT * FROM totals()"),
    # A function in SQL is planned with the statement.
    silent=Statement("SELECT * FROM totals_inlined()"),
    node="Function Scan",
    mentions="ALTER FUNCTION shop.totals ROWS 20000;",
)
