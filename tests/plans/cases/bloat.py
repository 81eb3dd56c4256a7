from tests.plans.case import PlanCase, Statement

_QUERY = "SELECT count(*) FROM jobs WHERE payload <> 'done'"

CASE = PlanCase(
    # One row in forty is left on its page.
    setup="""
    CREATE TABLE jobs (id int PRIMARY KEY, payload text NOT NULL);
    INSERT INTO jobs SELECT i, repeat('x', 150) FROM generate_series(1, 300000) i;
    DELETE FROM jobs WHERE id % 40 <> 0;
    """,
    fires=Statement(_QUERY),
    silent=Statement(_QUERY, before="VACUUM FULL jobs"),
    node="Seq Scan",
    mentions="VACUUM FULL shop.jobs;",
)
