"""How to write all rows of a loop by one call, in the words of what sends the statements."""

import re

from perfkit.model.query import QuerySpan
from perfkit.rules._key_lists import ask_for_all, attribute_of
from perfkit.rules._statements import key_column

_SET = re.compile(r"\bSET\s+(.*?)(?:\s+WHERE\b|$)", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r"([\w.\"`]+)\s*=")

# The call, and what takes very many rows at once where the driver has that.
_RAW = {
    "psycopg": ("cursor.executemany(sql, rows)", "COPY"),
    "asyncpg": ("await connection.executemany(sql, rows)", "copy_records_to_table"),
    "sqlite3": ("connection.executemany(sql, rows)", None),
}
_SQLALCHEMY = {
    "INSERT": ("session.execute(insert(Model), rows)", "COPY"),
    "UPDATE": ('session.execute(update(Model), [{"id": 1, "value": 2}, ...])', None),
}


def write_together(span: QuerySpan) -> str:
    """What to do instead of writing row by row, and the code for it.

    Args:
        span: one of the writes of a loop.
    """
    if span.driver == "django":
        return _by_django(span)
    call, stream = _SQLALCHEMY.get(span.operation_name, (None, None))
    call, stream = _RAW.get(span.driver, (call, stream))
    if span.operation_name == "INSERT":
        many = f"; for very many rows use {stream}" if stream else ""
        return f"Collect the rows in a list and insert them by one call{many}.\n{call}"
    if span.operation_name == "UPDATE":
        return f"Update all rows by one statement, or by one call with a list of values.\n{call}"
    words = "Write all rows by one statement with a list of keys, or by one call with a list of parameters."
    column = key_column(span)
    lines = [ask_for_all(span, column) if column else "", call or ""]
    return "\n".join(filter(None, [words, *lines]))


def _by_django(span: QuerySpan) -> str:
    objects = f"{span.entity or 'Model'}.objects"
    # Django names the model of every write but those that a program sends by a cursor.
    cursor = (
        ""
        if span.entity
        else "\ncursor.executemany(sql, rows)        # where the program has written the SQL"
    )
    if span.operation_name == "INSERT":
        words = "Make the objects in the loop and insert them by one call after it."
        return f"{words}\n{objects}.bulk_create(objects){cursor}"
    if span.operation_name == "UPDATE":
        words = "Change the objects in the loop and write them by one call after it"
        return (
            f"{words}; where all rows get the same value, by .filter(...).update(...).\n"
            f'{objects}.bulk_update(objects, ["{_only_column(span)}"]){cursor}'
        )
    key = attribute_of(key_column(span) or "id")
    which = f"{'pk' if key == 'id' else key}__in=keys"
    return f"Delete all rows by one statement after the loop.\n{objects}.filter({which}).delete(){cursor}"


def _only_column(span: QuerySpan) -> str:
    """The column that is set, where it is one: `save()` sets all, whichever has changed."""
    found = _SET.search(span.query_text)
    columns = _COLUMN.findall(found[1]) if found else []
    return attribute_of(columns[0]) if len(columns) == 1 else "field"
