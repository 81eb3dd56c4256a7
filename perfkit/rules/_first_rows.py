"""The first rows of each key, such as the last post of each author, by one statement for all keys."""

from perfkit.model.query import QuerySpan
from perfkit.rules._key_lists import ask_for_all, attribute_of
from perfkit.rules._statements import has_limit


def keeps_first_rows(first: QuerySpan, column: str) -> bool:
    """Whether it asks for the first rows of each key; of a primary key there is one row anyway.

    Django's `get` has a limit, and no order, to notice that a second row is there.
    """
    if first.driver == "django" and "ORDER BY" not in first.query_text:
        return False
    return has_limit(first) and attribute_of(column) != "id"


def first_rows_of_all(first: QuerySpan, column: str) -> str:
    """A list of keys alone would lose the limit."""
    return (
        "Collect the keys before the loop and ask once for all of them. Number the rows of each key, so that "
        "as many are kept as LIMIT keeps now (PostgreSQL has DISTINCT ON for one row, JOIN LATERAL for "
        "several).\n"
        f"SELECT * FROM (SELECT ..., row_number() OVER (PARTITION BY {column} ORDER BY ...) AS n\n"
        f"{ask_for_all(first, column)}\n) AS numbered WHERE n <= ..."
    )
