from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO people SELECT i, md5(i::text) FROM generate_series(1, 60000) i;
    CREATE TABLE companies (id int PRIMARY KEY, name text NOT NULL);
    INSERT INTO companies SELECT i, md5(i::text) FROM generate_series(50001, 110000) i;
    """,
    fires=Statement("SELECT id, 'p' AS kind, name FROM people UNION SELECT id, 'c', name FROM companies"),
    # Ten thousand rows are in both tables.
    silent=Statement("SELECT id, name FROM people UNION SELECT id, name FROM companies"),
    mentions="SELECT ... UNION ALL SELECT ...",
)
