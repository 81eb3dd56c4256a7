"""What people paste that is no plan of PostgreSQL, recognised well enough to say what it is."""

import re

# Each is the start of a line, so that no plan of PostgreSQL mentions it by chance.
_FOREIGN = (
    ("SQLite", r"^(?:\||`|\\)--(?:SCAN|SEARCH|USE TEMP|MULTI-INDEX|CO-ROUTINE|COMPOUND)\b"),
    ("SQLite", r"^\s*(?:\d+\|\d+\|\d+\|)?(?:SCAN|SEARCH) (?:TABLE )?[\w\"]+(?: USING| AS|\s*$)"),
    ("MySQL or MariaDB", r"^[\s\[{]*\"query_block\"\s*:"),
    ("MySQL or MariaDB", r"^\s*(?:\|\s*)?id\s*\|?\s+select_type\b"),
    ("MySQL or MariaDB", r"^\s*select_type: \w"),
    ("MySQL or MariaDB", r"^[\s|]*-> [A-Z].*\(cost=[\d.e+]+ rows="),
    ("DuckDB", r"^[\s│|]*[│|]\s*(?:SEQ_SCAN|TABLE_SCAN|PROJECTION|HASH_JOIN|HASH_GROUP_BY|EXPLAIN_ANALYZE|"
     r"UNGROUPED_AGGREGATE|PERFECT_HASH_GROUP_BY|Physical Plan|Query Profiling Information)\b"),
    ("DuckDB", r"^[\s\[{]*\"(?:operator_type|operator_name|operator_timing|cumulative_cardinality)\"\s*:"),
    ("SQL Server", r"<ShowPlanXML\b|^\s*\|--(?:Clustered|Nested Loops|Hash Match|Index Seek|Table Scan)\b"),
    ("Oracle", r"^\s*Plan hash value:|^\s*\|\s*Id\s*\|\s*Operation\b"),
    ("CockroachDB", r"^\s*distribution: (?:local|full|partial)\b"),
    ("MongoDB", r"^[\s{]*\"?(?:queryPlanner|winningPlan)\"?\s*:"),
)  # fmt: skip
_PATTERNS = tuple((name, re.compile(pattern, re.MULTILINE)) for name, pattern in _FOREIGN)
_SQL = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|VALUES|EXPLAIN)\b", re.IGNORECASE)
# A plan shows what it is long before that; a log of a day may be pasted.
_LOOKED_AT = 20_000


def foreign_system(text: str) -> tuple[str, int] | None:
    """The database whose plan this is, and the line that says so; `None` where no other is recognised.

    Args:
        text: what was pasted.
    """
    start = text[:_LOOKED_AT]
    found = ((match.start(), name) for name, pattern in _PATTERNS if (match := pattern.search(start)))
    first = min(found, default=None)
    if first is None:
        return None
    at, name = first
    line_break = len(start[at:]) - len(start[at:].lstrip("\r\n"))
    return name, start.count("\n", 0, at + line_break) + 1


def is_sql(text: str) -> bool:
    """Whether the text starts as a statement does."""
    return _SQL.match(text) is not None
