from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE products (id int PRIMARY KEY, name varchar(40) NOT NULL);
    INSERT INTO products
        SELECT i, md5(i::text) || CASE WHEN i % 10000 = 0 THEN ' lamp' ELSE '' END
        FROM generate_series(1, 200000) i;
    """,
    fires=Statement("SELECT * FROM products WHERE name ILIKE '%' || :word || '%'", {"word": "lamp"}),
    # No index finds two letters.
    silent=Statement("SELECT * FROM products WHERE name ILIKE '%zz%'"),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.products USING gin (name gin_trgm_ops);",
)
