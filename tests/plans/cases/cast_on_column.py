from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE orders (number text PRIMARY KEY, reference varchar(20) NOT NULL);
    INSERT INTO orders SELECT i::text, 'R' || i FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM orders WHERE number::integer = :number", {"number": 42}),
    # A varchar is shown with a cast to text, which is no cast in truth.
    silent=Statement("SELECT * FROM orders WHERE reference = :reference", {"reference": "R42"}),
    node="Seq Scan",
    mentions="WHERE number = CAST(:value AS text)\n-- The index orders_pkey can serve this.",
)
