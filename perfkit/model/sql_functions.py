"""What is known of PostgreSQL's functions: which an index can be made of, and which are a period of time."""

import re
from typing import Literal

__all__ = ["IndexChance", "index_chance", "is_period", "period_condition"]

IndexChance = Literal["yes", "no", "unknown"]
# `provolatile` of PostgreSQL 18's pg_proc for the forms that take text, numbers and arrays.
_IMMUTABLE = frozenset(
    """
    abs array_length ascii bit_length btrim cardinality case ceil ceiling char_length character_length
    coalesce date_bin decode div encode exp floor greatest initcap jsonb_array_length least left length ln
    log lower lpad ltrim md5 mod nullif octet_length position power regexp_replace repeat replace reverse
    right round rpad rtrim sha256 sign split_part sqrt starts_with strpos substr substring to_hex translate
    trim trunc upper
    """.split()  # noqa: SIM905 - a list of strings would not be read by anybody
)
# They depend on settings of the session: its time zone, its language, how it writes dates.
_STABLE = frozenset(["age", "concat", "concat_ws", "format", "now", "to_char", "to_date"])
# Immutable for timestamps without a time zone alone.
_OF_TIME = frozenset(["date", "date_part", "date_trunc", "extract"])
_ZONELESS = ("timestamp without time zone", "date", "time without time zone")
_COLUMN = r'(?P<column>\w+|"[^"]+")'
_TRUNCATED = re.compile(rf"date_trunc\('(?P<unit>\w+)'(?:::text)?, {_COLUMN}\)")
_YEAR = re.compile(rf"(?:EXTRACT\(year FROM|date_part\('year'(?:::text)?,) {_COLUMN}\)")
_WRITTEN = re.compile(rf"to_char\({_COLUMN}, 'YYYY[^']*'(?:::text)?\)")
_DAY = re.compile(rf"(?:date)?\({_COLUMN}\)(?:::date)?")


def index_chance(function: str, column_type: str | None) -> IndexChance:
    """Whether an index can be made of a function of a column, which must give the same for ever.

    Args:
        function: its name in lower case.
        column_type: the type of its column as the catalogue writes it, `None` where nobody knows.

    Returns:
        `unknown` for functions of the person's own, and where it depends on an unknown type.
    """
    if function in _IMMUTABLE:
        return "yes"
    if function in _STABLE:
        return "no"
    if function in _OF_TIME and column_type is not None:
        return "yes" if column_type.startswith(_ZONELESS) else "no"
    return "unknown"


def is_period(expression: str) -> bool:
    """Whether an expression that is compared for equality asks for one period: a day, a month, a year."""
    return any(pattern.fullmatch(expression) for pattern in (_TRUNCATED, _YEAR, _WRITTEN, _DAY))


def period_condition(expression: str) -> str:
    """The condition on the column itself that asks for the same period, with the bounds as parameters.

    Args:
        expression: one for which `is_period` holds, without the table's name.
    """
    if found := _TRUNCATED.fullmatch(expression):
        column, unit = found["column"], found["unit"]
        return f"{column} >= :start AND {column} < :start + interval '1 {unit}'"
    if found := _YEAR.fullmatch(expression):
        column = found["column"]
        return f"{column} >= make_date(:year, 1, 1) AND {column} < make_date(:year + 1, 1, 1)"
    if found := _DAY.fullmatch(expression):
        column = found["column"]
        return f"{column} >= :day AND {column} < :day + 1"
    found = _WRITTEN.fullmatch(expression)
    column = found["column"] if found else expression
    return f"{column} >= :start AND {column} < :end"
