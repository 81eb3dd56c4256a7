from tests.plans.case import PlanCase, Statement

_UPDATE = "UPDATE products SET price = price + 1 WHERE id <= 4000"
_INDEXES = " ".join(f"CREATE INDEX ON products (price, (code + {place}));" for place in range(14))
CASE = PlanCase(
    setup=f"""
    CREATE TABLE products (id int PRIMARY KEY, code int NOT NULL, price int NOT NULL, name text NOT NULL)
        WITH (fillfactor = 50);
    INSERT INTO products SELECT i, i % 1000, i * 7 % 5000, 'product ' || i FROM generate_series(1, 20000) i;
    {_INDEXES}
    """,
    fires=Statement(_UPDATE, analyze_writes=True),
    # The same table: a column that stands in no index, and there is room on each page.
    silent=Statement("UPDATE products SET name = name || '!' WHERE id <= 4000", analyze_writes=True),
    node="ModifyTable",
    mentions="DROP INDEX shop.products_price_expr_idx;",
)
