"""What to do about a lookup that a loop sends for one key after another."""

from perfkit.model.query import QuerySpan
from perfkit.rules._first_rows import first_rows_of_all, keeps_first_rows
from perfkit.rules._key_lists import ask_for_all, count_for_all
from perfkit.rules._statements import is_count, key_column


def lookup_advice(first: QuerySpan, *, calls_itself: bool) -> str:
    """How to ask once, and the code.

    Args:
        first: one of the lookups; no lazy load.
        calls_itself: whether a function that calls itself sends them.
    """
    column = key_column(first)
    if is_count(first):
        return _group_advice(first, column)
    if calls_itself:
        return (
            "Each call needs the answer of the one before it: ask for the whole chain at once by a recursive "
            "query.\nWITH RECURSIVE chain AS (... UNION ALL ... JOIN chain ON ...)"
            "        -- SQLAlchemy: select(...).cte(recursive=True)"
        )
    if column and keeps_first_rows(first, column):
        return first_rows_of_all(first, column)
    if column:
        return (
            "Collect the keys before the loop, ask once for all of them, and look rows up in a dictionary.\n"
            + ask_for_all(first, column)
        )
    return "Ask once, before the loop, for everything that the loop needs: a join, or a list of keys."


def _group_advice(first: QuerySpan, column: str | None) -> str:
    """Of numbers about rows, one statement gives them all; the rows themselves are not needed."""
    advice = f"Count all by one statement before the loop, grouped by {column or 'the key'}; keys without"
    snippet = count_for_all(first, column) if column else "SELECT key, count(*) ... GROUP BY key"
    return f"{advice} rows are not in its answer: counts.get(key, 0).\n{snippet}"
