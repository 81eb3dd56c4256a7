"""What a person gives as the database: an engine, a connection, or a shop of the lab that holds an engine."""

from typing import Any


def shop_engine(item: object) -> Any:
    """The engine of an open shop of `perfkit.lab`; `None` for anything else.

    The type tells, as the lab is unknown here, and objects of the person's are not touched: a lazy proxy may
    do anything then.
    """
    kind = type(item)
    if kind.__module__.startswith("perfkit.lab.") and hasattr(kind, "engine"):
        return getattr(item, "engine", None)
    return None
