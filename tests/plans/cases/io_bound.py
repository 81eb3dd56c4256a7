from tests.plans.case import PlanCase, Statement

_TIMED = "SET track_io_timing = on; SET max_parallel_workers_per_gather = 0"
CASE = PlanCase(
    # One row a page. Another table takes the server's memory, and a scan of a large table takes it not back.
    setup="""
    CREATE TABLE documents (id int NOT NULL, payload text STORAGE PLAIN NOT NULL);
    INSERT INTO documents SELECT i, repeat('x', 7000) FROM generate_series(1, 10000) i;
    CREATE TABLE others (LIKE documents INCLUDING STORAGE);
    INSERT INTO others SELECT i, repeat('x', 7000) FROM generate_series(1, 18000) i;
    """,
    fires=Statement("SELECT count(*) FROM documents", before=_TIMED),
    # As many blocks, and the processor has more to do with each.
    silent=Statement(
        "SELECT count(*) FROM documents WHERE md5(payload || id) <> 'x' AND md5(payload) <> 'x'",
        before=_TIMED,
    ),
    node="Seq Scan",
    mentions="SHOW shared_buffers;",
)
