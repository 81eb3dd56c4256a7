"""Plans of the same statements in all four formats, recorded on real servers, and logs of auto_explain.

`python -m tests.pasted_plans` records them again on the embedded server, and on every server whose address
(`postgresql+psycopg://…`) is given; a database there gets a schema of its own, which is dropped at the end.
"""
