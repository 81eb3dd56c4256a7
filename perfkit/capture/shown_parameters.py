"""Parameter values as text, for a person who has asked to see them, without running any code of the user's.

An object of the user's may have any `__repr__`, with any effect and of any length: of such an object only the
name of its type is shown. What is long is cut before it is turned into text, not after.
"""

import datetime
import decimal
import uuid
import zoneinfo
from typing import Any

from perfkit.capture.safe_types import size_of, type_name

LONGEST = 100
_MOST_VALUES = 100
_MOST_ITEMS = 10
_MOST_DEPTH = 3
# A whole number of this many bytes has some hundred digits; turning a longer one into text takes long.
_MOST_BYTES = 200
_NUMBERS = frozenset({bool, int, float, complex, type(None), decimal.Decimal})
_PLAIN = _NUMBERS | {uuid.UUID, datetime.date, datetime.timedelta}
# Of a time with a zone, `repr` asks the zone, which may be of a class of the user's.
_TIMES = frozenset({datetime.datetime, datetime.time})
_ZONES = frozenset({type(None), datetime.timezone, zoneinfo.ZoneInfo})
_ROW, _LIST = ("(", ")"), ("[", "]")


def shown_parameters(parameters: object) -> tuple[str, ...] | None:
    """The values of one statement.

    Args:
        parameters: what the driver was given: a mapping or a sequence.

    Returns:
        A text of at most 100 characters for each value, `name=value` in a mapping; `None` where there are
        none, or where they are in something other than a dictionary, list or tuple.
    """
    if type(parameters) is dict:
        pairs = list(parameters.items())[:_MOST_VALUES]
        texts = [_cut(f"{_name(key)}={shown_value(value)}") for key, value in pairs]
    elif type(parameters) in (list, tuple):
        values: Any = parameters
        texts = [shown_value(value) for value in values[:_MOST_VALUES]]
    else:
        return None
    more = len(parameters) - len(texts)  # type: ignore[arg-type]
    return (*texts, f"and {more} more") if more else tuple(texts)


def shown_value(value: object, depth: int = 0) -> str:
    """One value, as it is written in Python; the name of its type in angle brackets where that is all."""
    kind: Any = type(value)
    plain: Any = value
    if kind is str or kind is bytes:
        return _cut(repr(plain[: LONGEST + 1]))
    if kind in _PLAIN or (kind in _TIMES and type(plain.tzinfo) in _ZONES):
        size = size_of(plain)
        return _cut(repr(plain)) if size <= _MOST_BYTES else f"<{type_name(kind)} of {size:,} bytes>"
    if kind in (list, tuple) and depth < _MOST_DEPTH:
        opening, closing = _LIST if kind is list else _ROW
        items = [shown_value(item, depth + 1) for item in plain[:_MOST_ITEMS]]
        items += ["…"] if len(plain) > _MOST_ITEMS else []
        return _cut(f"{opening}{', '.join(items)}{closing}")
    return _cut(f"<{type_name(kind)}>")


def _name(key: object) -> str:
    return key[: LONGEST + 1] if type(key) is str else shown_value(key)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
