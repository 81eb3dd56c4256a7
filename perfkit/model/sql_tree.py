"""SQL text as sqlglot's tree, and what is asked of a tree whatever it is read for."""

from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["MAX_CHARACTERS", "conjuncts", "parsed", "tables_by_alias"]

# Parsing takes about 1 ms for each 1,000 characters; nobody writes a condition or a join longer than this.
MAX_CHARACTERS = 20_000


def parsed(text: str, dialect: str = "postgres") -> Any:
    """The tree of a statement or a condition.

    Args:
        text: SQL of up to 20,000 characters.
        dialect: sqlglot's name of the database.

    Returns:
        sqlglot's tree, `None` where the text cannot be read or is longer.
    """
    return _parsed(text, dialect) if len(text) <= MAX_CHARACTERS else None


def _parsed(text: str, dialect: str) -> Any:
    try:
        return sqlglot.parse_one(text, dialect=dialect)
    except (SqlglotError, RecursionError):
        return None


def conjuncts(tree: Any) -> Iterator[Any]:
    """The conditions that AND joins, without the parentheses around them. There may be thousands."""
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        for part in tree.flatten():
            yield from conjuncts(part)
    else:
        yield tree


def tables_by_alias(statement: str, dialect: str) -> dict[str, str]:
    """The table behind each alias of a statement, for databases whose plans name the alias alone.

    An alias that two sub-queries give to two tables tells nothing, and is left out.
    """
    tree = _parsed(statement, dialect)
    found: dict[str, set[str]] = {}
    for table in tree.find_all(exp.Table) if tree is not None else ():
        found.setdefault(table.alias_or_name, set()).add(table.name)
    return {alias: names.pop() for alias, names in found.items() if len(names) == 1}
