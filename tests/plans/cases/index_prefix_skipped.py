from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT * FROM visits WHERE day = '2025-03-01'"

CASE = PlanCase(
    # 1,500 users, each of whom fills a page of the index and more, and a table whose rows are wide.
    setup="""
    CREATE TABLE visits (
        id int PRIMARY KEY, username text NOT NULL, day date NOT NULL, payload text NOT NULL
    );
    INSERT INTO visits
        SELECT i, lpad((i % 1500)::text, 80, 'u'), date '2025-01-01' + i / 1500, repeat('x', 200)
        FROM generate_series(1, 200000) i;
    CREATE INDEX visits_username_day ON visits (username, day);
    """,
    fires=Statement(_QUERY, before="SET max_parallel_workers_per_gather = 0"),
    # The same index, with its first column.
    silent=Statement(_QUERY + " AND username = lpad('7', 80, 'u')"),
    node="Bitmap Index Scan",
    mentions="CREATE INDEX ON shop.visits (day);",
)
