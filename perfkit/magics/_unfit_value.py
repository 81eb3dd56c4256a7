"""What to say when a variable of the notebook stands for `:name`, and no column could hold what it is."""

import re
from collections.abc import Mapping
from typing import Any

# psycopg: cannot adapt type 'User'; psycopg2: can't adapt type 'User'; sqlite3: type 'User' is not supported;
# asyncpg: expected str, got User.
_REFUSED = re.compile(r"\btype '([^']+)'|\bgot (\w+)\)?\Z")
_COLUMN_TYPES = frozenset(
    {"str", "bytes", "int", "float", "bool", "Decimal", "date", "datetime", "time", "timedelta", "UUID"}
)


def unfit_value(message: str, parameters: Mapping[str, Any]) -> str | None:
    """Name the variable whose value a driver has refused for its type.

    Args:
        message: what the driver says.
        parameters: the values that were taken from the notebook, by name. Their types are looked at alone.

    Returns:
        A sentence, or `None` if the message speaks of something else.
    """
    found = _REFUSED.search(message)
    refused = found and (found[1] or found[2])
    if not refused or refused in _COLUMN_TYPES:
        return None
    name = next((name for name, value in parameters.items() if type(value).__name__ == refused), None)
    if name is None:
        return None
    return (
        f":{name} was taken from the notebook's variable {name}, which is a {refused}; "
        "assign it a value that a column can hold."
    )
