"""The statements whose plans are recorded: together they show every kind of node and of detail line."""

from dataclasses import dataclass

SETUP = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, "the Region" text);
INSERT INTO customers SELECT i, 'customer ' || i, 'region ' || i % 7 FROM generate_series(1, 500) i;
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers (id), status text NOT NULL,
    amount numeric NOT NULL, tags text[] NOT NULL DEFAULT '{}'
);
INSERT INTO orders SELECT i, 1 + (i * 7919) % 500, CASE WHEN i % 100 = 0 THEN 'refunded' ELSE 'paid' END,
    (i * 31) % 1000 FROM generate_series(1, 20000) i;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_amount ON orders (amount);
CREATE TABLE events (id int, day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2025-03-01') TO ('2025-04-01');
INSERT INTO events SELECT i, date '2025-01-01' + i % 90 FROM generate_series(1, 3000) i;
CREATE TABLE "Odd (table)" ("a ""quoted"" column" int PRIMARY KEY, "x: y  (cost=1)" text);
INSERT INTO "Odd (table)" SELECT i, 'line' || chr(10) || 'break' FROM generate_series(1, 20) i;
CREATE TABLE watched (id int PRIMARY KEY, value int);
INSERT INTO watched SELECT i, i FROM generate_series(1, 300) i;
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER watch AFTER UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION watch();
CREATE TABLE lines (id int, watched_id int REFERENCES watched (id) ON DELETE CASCADE);
"""
PARALLEL = (
    "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
    "SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL min_parallel_index_scan_size = 0"
)


@dataclass(frozen=True)
class Statement:
    """One statement to explain.

    Attributes:
        sql: what is explained; it is rolled back.
        options: what stands in the brackets of EXPLAIN, without the format.
        before: settings, for this statement alone.
        since: the first version that knows all of this.
    """

    sql: str
    options: str = "ANALYZE, BUFFERS"
    before: str = ""
    since: int = 13


STATEMENTS = {
    "seq_scan": Statement("SELECT * FROM orders o WHERE status = 'refunded' AND id > 10"),
    "index_scan": Statement("SELECT * FROM orders WHERE customer_id = 7 ORDER BY id", "ANALYZE"),
    "index_only_backward": Statement("SELECT max(id) FROM orders WHERE id < 300"),
    "bitmap_or": Statement(
        "SELECT * FROM orders WHERE customer_id = 7 OR (amount = 3 AND customer_id < 40)",
        "ANALYZE, BUFFERS, VERBOSE",
    ),
    "hash_join": Statement(
        "SELECT c.name, count(*) FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY c.name",
        "ANALYZE, BUFFERS, SETTINGS",
        'SET LOCAL random_page_cost = 1.1; SET LOCAL search_path TO pasted, "Odd \' path"',
    ),
    "left_anti_semi": Statement(
        "SELECT * FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.amount > 990 "
        "WHERE NOT EXISTS (SELECT 1 FROM watched w WHERE w.id = c.id) "
        "AND c.id IN (SELECT id FROM orders WHERE status = 'refunded')"
    ),
    "merge_full_join": Statement(
        "SELECT * FROM customers c FULL JOIN watched w USING (id) ORDER BY 1",
        before="SET LOCAL enable_hashjoin = off",
    ),
    "nested_loop_memoize": Statement(
        "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.amount < 100",
        before="SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off",
    ),
    "sort_on_disk": Statement(
        "SELECT * FROM orders ORDER BY status, amount DESC NULLS LAST, tags",
        before="SET LOCAL work_mem = '64kB'",
    ),
    "top_n": Statement('SELECT * FROM orders ORDER BY status COLLATE "C", amount LIMIT 5 OFFSET 2'),
    "incremental_sort": Statement(
        "SELECT * FROM orders ORDER BY customer_id, status", before="SET LOCAL enable_seqscan = off"
    ),
    "hash_aggregate_on_disk": Statement(
        "SELECT id % 9000, count(*) FROM orders GROUP BY 1",
        before="SET LOCAL work_mem = '64kB'; SET LOCAL enable_sort = off",
    ),
    "grouping_sets": Statement(
        "SELECT customer_id, status, count(*) FROM orders GROUP BY GROUPING SETS "
        "((customer_id, status), (status), ())"
    ),
    "rollup_sorted": Statement(
        "SELECT customer_id, status, count(*) FROM orders GROUP BY ROLLUP (customer_id, status), amount",
        "ANALYZE, VERBOSE",
        "SET LOCAL enable_hashagg = off",
    ),
    "window": Statement(
        "SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY id) n, "
        "sum(amount) OVER w FROM orders WINDOW w AS (PARTITION BY status)) x WHERE n <= 2"
    ),
    "parallel_workers": Statement(
        "SELECT status, count(*) FROM orders GROUP BY status ORDER BY 1",
        "ANALYZE, VERBOSE, BUFFERS",
        PARALLEL,
    ),
    "parallel_hash": Statement(
        "SELECT * FROM orders a JOIN orders b ON b.id = a.customer_id ORDER BY a.amount",
        "ANALYZE, VERBOSE, BUFFERS",
        f"{PARALLEL}; SET LOCAL work_mem = '128kB'; SET LOCAL enable_memoize = off",
        14,
    ),
    "init_plan": Statement(
        "SELECT *, (SELECT count(*) FROM watched) FROM orders "
        "WHERE amount > (SELECT avg(amount) FROM orders) LIMIT 20"
    ),
    "sub_plan": Statement(
        "SELECT name, (SELECT max(amount) FROM orders o WHERE o.customer_id = c.id AND c.id < 20) "
        "FROM customers c WHERE id NOT IN (SELECT watched.id FROM watched)"
    ),
    "cte_materialized": Statement(
        "WITH big AS MATERIALIZED (SELECT * FROM orders WHERE amount > 500) "
        "SELECT * FROM big a JOIN big b ON b.id = a.customer_id"
    ),
    "recursive": Statement(
        "WITH RECURSIVE t (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 50) SELECT sum(n) FROM t"
    ),
    "writing_cte": Statement(
        "WITH gone AS (DELETE FROM watched WHERE id < 30 RETURNING *) SELECT count(*) FROM gone"
    ),
    "functions": Statement(
        "SELECT * FROM generate_series(1, 30) WITH ORDINALITY g (a, b), "
        "ROWS FROM (unnest(ARRAY[1, 2]), generate_series(1, 2)) AS r WHERE a = 3",
        "ANALYZE, VERBOSE",
    ),
    "values_and_tid": Statement(
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (n, t) "
        "JOIN watched ON watched.ctid = '(0,1)' AND id = n",
        "ANALYZE, VERBOSE",
    ),
    "tid_range": Statement("SELECT count(*) FROM orders WHERE ctid > '(2,0)'", "ANALYZE", "", 14),
    "sample": Statement("SELECT count(*) FROM orders TABLESAMPLE bernoulli (20) REPEATABLE (3)", "ANALYZE"),
    "xml_table": Statement(
        "SELECT * FROM json_to_recordset('[{\"a\": 1}]') AS j (a int)", "ANALYZE, VERBOSE"
    ),
    "set_operations": Statement(
        "SELECT customer_id FROM orders EXCEPT SELECT id FROM watched "
        "UNION ALL (SELECT id FROM customers INTERSECT ALL SELECT id FROM watched)"
    ),
    "distinct_lock": Statement("SELECT * FROM watched WHERE id < 3 FOR UPDATE", "ANALYZE, VERBOSE"),
    "unique": Statement("SELECT DISTINCT ON (customer_id) * FROM orders ORDER BY customer_id, id"),
    "append_partitions": Statement("SELECT * FROM events WHERE day > '2025-02-10' ORDER BY day LIMIT 5"),
    "subplans_removed": Statement(
        "SELECT count(*) FROM events WHERE day > to_date('2025-02-10', 'YYYY-MM-DD')", "ANALYZE"
    ),
    "never_executed": Statement(
        "SELECT * FROM orders o, customers c WHERE o.id = -1 AND o.customer_id = c.id"
    ),
    "one_time_filter": Statement("SELECT * FROM orders WHERE false", "ANALYZE"),
    "join_filter": Statement(
        "SELECT count(*) FROM customers a JOIN watched b ON a.id < b.value AND a.name < b.id::text",
        "ANALYZE, BUFFERS",
    ),
    "odd_names": Statement(
        'SELECT * FROM "Odd (table)" "An ""alias""" WHERE "x: y  (cost=1)" <> E\'Filter: (a\\n  ->  b\' '
        'AND "a ""quoted"" column" > 3',
        "ANALYZE, VERBOSE",
    ),
    "insert": Statement(
        "INSERT INTO watched SELECT i, i FROM generate_series(290, 310) i "
        "ON CONFLICT (id) DO UPDATE SET value = 1 WHERE watched.value > 295",
        "ANALYZE, WAL, BUFFERS, VERBOSE",
    ),
    "update_with_trigger": Statement(
        "UPDATE watched SET value = value + 1 WHERE id < 50", "ANALYZE, VERBOSE"
    ),
    "update_partitions": Statement("UPDATE events SET id = id + 1 WHERE id < 100", "ANALYZE"),
    "delete_cascade": Statement("DELETE FROM watched WHERE id < 5", "ANALYZE"),
    "merge": Statement(
        "MERGE INTO watched w USING generate_series(295, 305) i ON w.id = i "
        "WHEN MATCHED AND i < 297 THEN DELETE WHEN MATCHED AND i < 300 THEN UPDATE SET value = 0 "
        "WHEN NOT MATCHED AND i > 303 THEN INSERT VALUES (i, i)",
        "ANALYZE, BUFFERS",
        "",
        15,
    ),
    "timing_off": Statement(
        "SELECT * FROM orders o JOIN watched w ON w.id = o.id",
        "ANALYZE, TIMING OFF, BUFFERS OFF, SUMMARY OFF",
    ),
    "costs_off": Statement("SELECT * FROM orders o JOIN watched w ON w.id = o.id", "COSTS OFF"),
    "costs_off_analyzed": Statement(
        "SELECT count(*) FROM orders WHERE amount < 30", "ANALYZE, COSTS OFF, VERBOSE, BUFFERS"
    ),
    "io_timings": Statement(
        "SELECT * FROM orders ORDER BY amount",
        "ANALYZE, BUFFERS, WAL",
        "SET LOCAL track_io_timing = on; SET LOCAL work_mem = '64kB'",
    ),
    "temporary_table": Statement(
        "SELECT count(*) FROM mine",
        "ANALYZE, BUFFERS, VERBOSE",
        "CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT i FROM generate_series(1, 5000) i",
    ),
    "disabled": Statement("SELECT * FROM watched", "ANALYZE, SETTINGS", "SET LOCAL enable_seqscan = off"),
    "memory_and_serialization": Statement(
        "SELECT * FROM customers", "ANALYZE, BUFFERS, MEMORY, SERIALIZE TEXT", "", 17
    ),
    "generic": Statement("SELECT * FROM orders WHERE customer_id = $1", "GENERIC_PLAN, VERBOSE", "", 16),
    "compiled": Statement(
        "SELECT status, sum(amount) FROM orders GROUP BY 1",
        "ANALYZE, VERBOSE",
        f"{PARALLEL}; SET LOCAL jit = on; SET LOCAL jit_above_cost = 0; SET LOCAL jit_inline_above_cost = 0",
    ),
}
# In the two formats that say the same as JSON in other brackets, these are enough.
IN_ALL_FORMATS = ("grouping_sets", "rollup_sorted", "odd_names", "insert", "delete_cascade", "generic")
# For a server with postgres_fdw.
FOREIGN_SETUP = """
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '{host}', dbname '{database}', port '{port}');
CREATE USER MAPPING FOR CURRENT_USER SERVER far;
CREATE FOREIGN TABLE far_orders (id int, customer_id int, amount numeric) SERVER far
    OPTIONS (schema_name 'pasted', table_name 'orders', async_capable 'true', batch_size '10');
CREATE FOREIGN TABLE far_watched (id int, value int) SERVER far
    OPTIONS (schema_name 'pasted', table_name 'watched', async_capable 'true');
"""
FOREIGN = {
    "foreign_join": Statement(
        "SELECT * FROM far_orders a JOIN far_watched b USING (id) WHERE a.amount > 500", "ANALYZE, VERBOSE"
    ),
    "foreign_async": Statement(
        "SELECT id FROM far_orders WHERE amount < 5 UNION ALL SELECT id FROM far_watched",
        "ANALYZE, VERBOSE",
        "",
        14,
    ),
    "foreign_update": Statement("UPDATE far_watched SET value = 3 WHERE id < 5", "ANALYZE, VERBOSE"),
    "foreign_insert": Statement(
        "INSERT INTO far_orders SELECT 100000 + i, 1, 1 FROM generate_series(1, 3) i", "VERBOSE"
    ),
}
