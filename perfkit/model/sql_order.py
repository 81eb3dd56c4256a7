"""The order that a statement asks for."""

import functools

from sqlglot import exp

from perfkit.model.plan_conditions import SortColumn
from perfkit.model.sql_names import quoted
from perfkit.model.sql_tree import parsed

__all__ = ["asked_order"]


@functools.lru_cache(maxsize=256)
def asked_order(statement: str) -> tuple[SortColumn, ...]:
    """The columns of a statement's own ORDER BY.

    Args:
        statement: SQL, with placeholders of any driver.

    Returns:
        The columns without their table; nothing where a key is no plain column, or the text cannot be read.
    """
    tree = parsed(statement)
    order = tree.args.get("order") if tree is not None else None
    keys = order.expressions if order is not None else []
    if not all(isinstance(key.this, exp.Column) for key in keys):
        return ()
    return tuple(SortColumn(quoted(key.this.name), bool(key.args.get("desc"))) for key in keys)
