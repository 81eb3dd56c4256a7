"""The order that a statement asks for."""

import functools

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from perfkit.model.plan_conditions import SortColumn
from perfkit.model.sql_names import quoted

__all__ = ["asked_order"]

_MAX_CHARACTERS = 20_000


@functools.lru_cache(maxsize=256)
def asked_order(statement: str) -> tuple[SortColumn, ...]:
    """The columns of a statement's own ORDER BY.

    Args:
        statement: SQL, with placeholders of any driver.

    Returns:
        The columns without their table; nothing where a key is no plain column, or the text cannot be read.
    """
    if len(statement) > _MAX_CHARACTERS:
        return ()
    try:
        tree = sqlglot.parse_one(statement, dialect="postgres")
    except (SqlglotError, RecursionError):
        return ()
    order = tree.args.get("order")
    keys = order.expressions if order is not None else []
    if not all(isinstance(key.this, exp.Column) for key in keys):
        return ()
    return tuple(SortColumn(quoted(key.this.name), bool(key.args.get("desc"))) for key in keys)
