from tests.plans.case import PlanCase, Statement

EAGER = """
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
"""
CHECKED = "SELECT count(*) FROM files WHERE checksum(size) > 0 AND region = :region"
CASE = PlanCase(
    setup="""
    CREATE TABLE files (id int PRIMARY KEY, region int NOT NULL, size int NOT NULL, payload text NOT NULL);
    -- One file of the first region is as large as all the others a hundred times over.
    INSERT INTO files
        SELECT i, i % 2, CASE WHEN i = 1501 THEN 3000000 ELSE 10 END, repeat('x', 200)
        FROM generate_series(1, 3000) i;
    CREATE FUNCTION checksum(size int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS
        $$DECLARE total int := 1;
        BEGIN FOR i IN 1 .. size LOOP total := total + 1; END LOOP; RETURN total; END$$;
    """,
    fires=Statement(CHECKED, {"region": 1}, before=EAGER),
    silent=Statement(CHECKED, {"region": 0}, before=EAGER),
    node="Gather",
)
