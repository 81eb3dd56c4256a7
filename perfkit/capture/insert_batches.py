"""How many rows SQLAlchemy sends by one statement."""

import re
from typing import Any

_NUMBERED = re.compile(r"(.+__)\d+")


def batch_size(context: Any, parameters: Any) -> int:
    """Sets of parameters in a batch.

    Args:
        context: SQLAlchemy's execution context, of an `executemany` or of one of the statements with many
            rows of values that it makes of one ("insertmanyvalues").
        parameters: what is sent with this statement: one set a row, or the values of all rows in one.

    Returns:
        1 where it cannot be told.
    """
    if isinstance(parameters, list) or (isinstance(parameters, tuple) and _is_one_a_row(parameters)):
        return len(parameters)
    if isinstance(parameters, dict):
        return _numbered_rows(parameters)
    # Private, and the same from SQLAlchemy 2.0.0 to 2.1.9.
    values = getattr(getattr(context, "compiled", None), "_insertmanyvalues", None)
    a_row = getattr(values, "num_positional_params_counted", 0)
    if not a_row or not isinstance(parameters, tuple):
        return 1
    others = len(context.parameters[0]) - a_row
    return max(1, (len(parameters) - others) // a_row)


def _is_one_a_row(parameters: tuple[Any, ...]) -> bool:
    return bool(parameters) and isinstance(parameters[0], tuple | list | dict)


def _numbered_rows(parameters: dict[str, Any]) -> int:
    """SQLAlchemy numbers the names of each row's values: `name__0`, `name__1`."""
    stems = [match[1] for match in map(_NUMBERED.fullmatch, parameters) if match]
    return stems.count(stems[0]) if stems else 1
