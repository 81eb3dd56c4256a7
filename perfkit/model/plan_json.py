"""What is checked of a plan in JSON, whichever database wrote it: its text, its types, its numbers."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

# Deeper than any plan seen (a chain of 200 views); far below what Python's stack allows.
MAX_DEPTH = 220
# PostgreSQL's planner clamps rows at 1e100 (MAXIMUM_ROWCOUNT in costsize.c); anything beyond is damage.
MAX_NUMBER = 1e101
# What is no node is shallow by nature.
MAX_VALUE_DEPTH = 20
_KINDS = {type(None): "nothing", str: "text", bool: "true or false", int: "a number", float: "a number"}


class PlanFormatError(ValueError):
    """What was given is not a plan that can be read; the message says in one line what is wrong.

    `reason` is the part of the message that says it; `place` and `key` lead to the value, where one is wrong:
    "Plan.0.1" is the second input of the first input of the root.
    """

    def __init__(self, message: str, *, reason: str = "", place: str = "", key: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message
        self.place = place
        self.key = key


class JsonChecks:
    """Takes values out of the JSON of a plan, and refuses in one line what does not belong there.

    Args:
        what: the kind of plan, for the message: "a MariaDB plan in JSON".
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def fail(self, reason: str, place: str = "", key: str = "") -> NoReturn:
        """Raise `PlanFormatError`; `place` and `key` lead to the value."""
        message = f"This is not {self._what}: {reason}."
        raise PlanFormatError(message, reason=reason, place=place, key=key) from None

    def decoded(self, data: object) -> object:
        """The value of JSON that may still be text."""
        if not isinstance(data, str | bytes | bytearray):
            return data
        try:
            return json.loads(data)
        except json.JSONDecodeError as error:
            self.fail(f"line {error.lineno}, column {error.colno}: {error.msg}")
        except (RecursionError, ValueError) as error:
            self.fail(f"it cannot be decoded ({type(error).__name__})")

    def mapping(self, value: object, place: str) -> Mapping[str, Any]:
        """The value, which must be an object with names."""
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self.fail(f"{place} is {_kind(value)} where an object belongs")
        return value

    def sequence(self, value: object, place: str) -> list[Any] | tuple[Any, ...]:
        """The value, which must be a list."""
        if not isinstance(value, list | tuple):
            self.fail(f"{place} is {_kind(value)} where a list belongs")
        return value

    def text(self, raw: Mapping[str, Any], key: str, place: str) -> str | None:
        """Text, or `None` where the key is missing."""
        value = raw.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(f"{_named(key, place)} is {_kind(value)} where text belongs", place, key)
        return value

    def number(self, raw: Mapping[str, Any], key: str, place: str = "") -> float | None:
        """A number that is not negative, or `None` where the key is missing."""
        value = raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"{_named(key, place)} is {_kind(value)} where a number belongs", place, key)
        if not 0 <= value <= MAX_NUMBER:
            self.fail(f"{_named(key, place)} is out of range", place, key)
        return float(value)

    def count(self, raw: Mapping[str, Any], key: str, place: str) -> int | None:
        """A whole number that is not negative, or `None` where the key is missing."""
        value = self.number(raw, key, place)
        if value is None:
            return None
        if value != int(value):
            self.fail(f"{_named(key, place)} is not a whole number", place, key)
        return int(raw[key])

    def copied(self, value: object, place: str, depth: int = 0) -> Any:
        """A copy that holds nothing but what JSON can carry."""
        if value is None or isinstance(value, str | bool):
            return value
        if isinstance(value, int | float):
            # Not a number and infinity are never within it.
            return (
                value
                if abs(value) <= MAX_NUMBER
                else self.fail(f"a number of {place} is out of range", place)
            )
        if depth < MAX_VALUE_DEPTH and isinstance(value, list | tuple):
            return [self.copied(item, place, depth + 1) for item in value]
        if depth < MAX_VALUE_DEPTH and isinstance(value, Mapping):
            items = self.mapping(value, place).items()
            return {key: self.copied(item, place, depth + 1) for key, item in items}
        return self.fail(f"{place} holds {_kind(value)}")


def _named(key: str, place: str) -> str:
    return f'"{key}" of {place}' if place else f'"{key}"'


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    return _KINDS.get(type(value), f"a value of type {type(value).__name__}")
