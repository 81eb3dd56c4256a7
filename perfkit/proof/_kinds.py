"""What kind of value something is, told from its type alone: no method of the value is called."""

import dataclasses
import datetime
import enum
import numbers
import sys
import uuid
from collections.abc import Mapping, Set
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction


class Kind(StrEnum):
    """How a value is compared."""

    EXACT = "exact"
    FLOAT = "float"
    LIST = "list"
    TUPLE = "tuple"
    MAPPING = "mapping"
    SET = "set"
    DATACLASS = "dataclass"
    ORM = "orm"
    ITERATOR = "iterator"
    ARRAY = "array"
    SERIES = "series"
    FRAME = "frame"
    OTHER = "other"


# The first family that fits counts, so subclasses stand before their bases: bool is an int.
_FAMILIES: tuple[tuple[str, Kind, type | tuple[type, ...]], ...] = (
    ("None", Kind.EXACT, type(None)),
    ("bool", Kind.EXACT, bool),
    ("int", Kind.EXACT, numbers.Integral),
    ("fraction", Kind.EXACT, Fraction),
    ("float", Kind.FLOAT, numbers.Real),
    ("complex", Kind.FLOAT, numbers.Complex),
    ("decimal", Kind.EXACT, Decimal),
    ("str", Kind.EXACT, str),
    ("bytes", Kind.EXACT, (bytes, bytearray, memoryview)),
    ("enum", Kind.EXACT, enum.Enum),
    ("datetime", Kind.EXACT, datetime.datetime),
    ("date", Kind.EXACT, datetime.date),
    ("time", Kind.EXACT, datetime.time),
    ("timedelta", Kind.EXACT, datetime.timedelta),
    ("uuid", Kind.EXACT, uuid.UUID),
    ("mapping", Kind.MAPPING, Mapping),
    ("set", Kind.SET, Set),
    ("list", Kind.LIST, list),
    ("tuple", Kind.TUPLE, tuple),
)

# Compared by name, so that none of these packages is imported for a comparison that does not need it.
_FOREIGN: tuple[tuple[str, str, str, Kind], ...] = (
    ("numpy", "bool_", "bool", Kind.EXACT),
    ("numpy", "ndarray", "array", Kind.ARRAY),
    ("pandas", "DataFrame", "frame", Kind.FRAME),
    ("pandas", "Series", "series", Kind.SERIES),
    ("sqlalchemy", "Row", "tuple", Kind.TUPLE),
)


def family_and_kind(cls: type) -> tuple[str, Kind]:
    """The family of a type (values of two families always differ) and how its values are compared."""
    if getattr(cls, "_sa_class_manager", None) is not None:
        return "orm", Kind.ORM
    for module, name, family, kind in _FOREIGN:
        base = getattr(sys.modules.get(module), name, None)
        if isinstance(base, type) and issubclass(cls, base):
            return family, kind
    for family, kind, bases in _FAMILIES:
        if issubclass(cls, bases):
            return family, kind
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return "iterator", Kind.ITERATOR
    return ("dataclass", Kind.DATACLASS) if dataclasses.is_dataclass(cls) else ("other", Kind.OTHER)
