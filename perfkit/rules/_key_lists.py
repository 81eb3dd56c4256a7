"""How to ask once for all keys of a loop, in the words of what sends the statements."""

import re

from perfkit.model.query import QuerySpan
from perfkit.rules._statements import has_join

_AND_MORE = re.compile(r"\b(?:AND|OR)\b", re.IGNORECASE)


# Of drivers without an ORM: the condition, and what to bind.
_RAW = {
    "psycopg": ("{} = ANY(%s)", "psycopg: the list of keys is one parameter"),
    "asyncpg": ("{} = ANY($1)", "asyncpg: the list of keys is one argument"),
    "sqlite3": ("{} IN (?, ?, ...)", "sqlite3: one question mark for each key"),
}


def ask_for_all(span: QuerySpan, column: str) -> str:
    """The condition that takes a list of keys, and how to write it.

    Args:
        span: a lookup by one key.
        column: the column that it compares, as the statement names it.
    """
    name = attribute_of(column)
    condition, how = _RAW.get(span.driver, ("{} IN :keys", ""))
    if span.driver == "django":
        how = f"Django: .filter({name}__in=keys)"
    elif not how:
        how = f"SQLAlchemy: .where({model_of(span)}.{name}.in_(keys))"
    return f"... WHERE {condition.format(column)}        -- {how}"


def count_for_all(span: QuerySpan, column: str) -> str:
    """The statement that counts for all keys at once.

    Args:
        span: a count for one key.
        column: the column that it compares, as the statement names it.
    """
    name, model = attribute_of(column), model_of(span)
    more = _AND_MORE.search(span.query_text) is not None
    dots = "   # the dots: its other conditions" if more else ""
    if span.driver == "django":
        among = ".filter(...)" if more else ""
        return f'{model}.objects{among}.values("{name}").annotate(Count("pk")){dots}'
    if span.driver in _RAW:
        condition, how = _RAW[span.driver]
        others = " AND ..." if more else ""
        return (
            f"SELECT {column}, count(*) ... WHERE {condition.format(column)}{others} GROUP BY {column}"
            f"        -- {how}"
        )
    others = ", ..." if more else ""
    where = f".where({model}.{name}.in_(keys){others})"
    return f"select({model}.{name}, func.count()){where}.group_by({model}.{name}){dots}"


def attribute_of(column: str) -> str:
    """A column's name without its table and quotes."""
    return column.replace('"', "").replace("`", "").rpartition(".")[2]


def model_of(span: QuerySpan) -> str:
    """The class of the ORM whose column a statement compares, or a word for it."""
    is_one = span.entity and span.entity.isidentifier() and not has_join(span)
    return span.entity if span.entity and is_one else "Model"
