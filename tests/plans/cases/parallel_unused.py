from tests.plans.case import PlanCase, Statement

COUNTED = "SELECT count(*) FROM events WHERE is_wanted(payload)"
CASE = PlanCase(
    setup="""
    CREATE TABLE events (id int PRIMARY KEY, payload text NOT NULL);
    INSERT INTO events SELECT i, i || repeat('x', 120) FROM generate_series(1, 300000) i;
    CREATE FUNCTION is_wanted(payload text) RETURNS boolean LANGUAGE plpgsql AS
        $$BEGIN RETURN md5(md5(md5(payload))) < '1'; END$$;
    """,
    fires=Statement(COUNTED),
    silent=Statement(COUNTED, before="ALTER FUNCTION is_wanted(text) PARALLEL SAFE"),
    node="Seq Scan",
    mentions="WHERE proname IN ('is_wanted') AND proparallel <> 's';",
)
