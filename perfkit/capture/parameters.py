"""Names for parameter values: equal values get equal names, and no value can be read from a name."""

import datetime
import decimal
import functools
import itertools
import re
import uuid
from collections.abc import Collection

# Only these: comparing or hashing an object of the user's would run the user's code.
_PLAIN = frozenset(
    {
        bool, int, float, complex, str, bytes, type(None), decimal.Decimal, uuid.UUID,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta,
    }
)  # fmt: skip
# Hashing is linear in the length; a statement with a value of this size is never sent by mistake twice.
_MAX_LENGTH = 65_536
_MAX_VALUES = 2_000
_MAX_TEXT = 10_000
_PASTED = re.compile(r"""--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*"|'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b""", re.DOTALL)
_FEW = 20
# SQLAlchemy writes a list's place out where it is compiled, and as many placeholders when it is sent.
_PLACEHOLDER = r"\?|%s|%\(\w+\)s|(?<!:):\w+|\$\d+"
_OFFSET = re.compile(rf"\bOFFSET\s+({_PLACEHOLDER})(.*)", re.IGNORECASE | re.DOTALL)
_BOUND = re.compile(_PLACEHOLDER)


@functools.lru_cache(maxsize=4096)
def values_in_text(statement: str) -> tuple[str, tuple[str, ...]]:
    """Take out values that the program pasted into a text, so that one loop's texts become one shape.

    Quick and rough, as it is asked for each new text while the block runs: comments go, numbers and strings
    become `?`. What is shown comes from `fingerprint`.

    Returns:
        The text without values, and the values. A text of more than 10,000 characters is left as it is.
    """
    if len(statement) > _MAX_TEXT:
        return statement, ()
    values: list[str] = []

    def take(found: re.Match[str]) -> str:
        if found[0].startswith(("--", "/*", '"')):
            return found[0] if found[0].startswith('"') else ""
        values.append(found[0])
        return "?"

    return _PASTED.sub(take, statement), tuple(values)


@functools.lru_cache(maxsize=4096)
def offset_place(statement: str) -> int | str | None:
    """The index or the name of the parameter that is a statement's OFFSET; `None` where it has not just one.

    SQLite's dialect of SQLAlchemy writes `LIMIT ? OFFSET ?` though nobody skips rows, so the text alone does
    not say whether a loop walks over pages. Every statement asks: a text is read once.
    """
    found = _OFFSET.search(statement) if len(statement) <= _MAX_TEXT else None
    if found is None or "offset" in found[2].lower() or "POSTCOMPILE" in found[2]:
        return None
    name = found[1].removeprefix("%(").removesuffix(")s").strip(":$")
    if name.isdecimal():
        return int(name) - 1
    return -1 - len(_BOUND.findall(found[2])) if name in ("?", "%s") else name


def number_at(parameters: object, place: int | str) -> int | None:
    """The whole number at this place of the parameters, or `None` where there is none."""
    kind = type(parameters)
    if kind is not dict and not (kind in (tuple, list) and type(place) is int):
        return None
    try:
        value = parameters[place]  # type: ignore[index]
    except (KeyError, IndexError):
        return None
    return value if type(value) is int else None


class ParameterNames:
    """Hands out `p1`, `p2`, … for parameter sets as they come."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._numbers = itertools.count(1)

    def name(self, parameters: object) -> str | None:
        """The name of these parameters.

        Args:
            parameters: what the driver was given: a mapping or a sequence.

        Returns:
            A name that is equal for equal values, or `None` where they cannot be compared without running
            the user's code or hashing more than 64 KiB. Only a hash is kept of the values.
        """
        return self.named(digest(parameters))

    def named(self, values: int | None) -> str | None:
        """The name of a digest; `None` for none."""
        if values is None:
            return None
        known = self._names.get(values)
        if known is None:
            known = self._names[values] = f"p{next(self._numbers)}"
        return known


def digest(parameters: object) -> int | None:
    """A number that is equal for equal parameters, or `None` where they cannot be compared; see `name`."""
    kind = type(parameters)
    if kind is tuple and _are_simple(parameters):  # type: ignore[arg-type]
        return hash(parameters)
    if kind is dict and _are_simple(parameters) and _are_simple(parameters.values()):  # type: ignore[arg-type,attr-defined]
        return hash((*parameters, *parameters.values()))  # type: ignore[misc,attr-defined]
    values = _flat(parameters)
    return None if values is None else hash(values)


def _are_simple(values: Collection[object]) -> bool:
    """Whether these are a few whole numbers and short texts, which need no look at their types to compare."""
    if len(values) > _FEW:
        return False
    for value in values:  # in a third of the time that `all` takes, and every statement asks
        if type(value) is not int and (type(value) is not str or len(value) > _MAX_LENGTH):
            return False
    return True


def _flat(parameters: object) -> tuple[object, ...] | None:
    if parameters is None:
        return ()
    if type(parameters) is dict:
        items: list[object] = [*parameters, *parameters.values()]
    elif type(parameters) in (list, tuple):
        items = list(parameters)  # type: ignore[call-overload]
    else:
        return None
    if len(items) > _MAX_VALUES:
        return None
    return tuple(_with_type(item) for item in items) if all(map(_is_plain, items)) else None


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return len(value) <= _MAX_VALUES and all(map(_is_plain, value))  # type: ignore[arg-type,call-overload]
    return kind in _PLAIN and (kind not in (str, bytes) or len(value) <= _MAX_LENGTH)  # type: ignore[arg-type]


def _with_type(value: object) -> object:
    """`1`, `1.0` and `True` are equal in Python and different in SQL."""
    if type(value) in (list, tuple):
        return tuple(_with_type(item) for item in value)  # type: ignore[attr-defined]
    return value if type(value) in (int, str) else (type(value).__name__, value)
