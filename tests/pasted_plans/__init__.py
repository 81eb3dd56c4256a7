"""Plans of the same statements in all four formats, recorded on real servers, and logs of auto_explain.

`python -m tests.pasted_plans` records them again on the embedded server, and on every server whose address
(`postgresql+psycopg://…`) is given; a database there gets a schema of its own, which is dropped at the end.

`recorded/psql` is one statement as psql 15 shows it in each of its formats, borders and line styles, and
`recorded/logs` are two statements in the logs of auto_explain on PostgreSQL 15 (`log_analyze`, `log_buffers`,
`log_triggers`), as plain log, CSV, JSON lines and messages of psql. They were copied as they came.
"""
