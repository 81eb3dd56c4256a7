from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    # A list cannot be hashed, so it takes a loop.
    setup="""
    CREATE TABLE carts (id int PRIMARY KEY, codes int[] NOT NULL, least int NOT NULL);
    INSERT INTO carts SELECT i, ARRAY[i, i * 2], 4990 FROM generate_series(1, 300) i;
    CREATE TABLE products (id int PRIMARY KEY, code int NOT NULL, name text NOT NULL);
    INSERT INTO products SELECT i, i, 'product ' || i FROM generate_series(1, 5000) i;
    """,
    fires=Statement("SELECT c.id, p.name FROM carts c JOIN products p ON p.code = ANY (c.codes)"),
    # By nature all pairs have to be compared.
    silent=Statement("SELECT c.id, p.name FROM carts c JOIN products p ON p.code > c.least"),
    node="Seq Scan",
    mentions="CREATE INDEX ON shop.products (code);",
)
