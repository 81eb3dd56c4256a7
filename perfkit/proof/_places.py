"""Where two results differ, and how values are spoken of without showing them."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

from perfkit.model.wording import counted
from perfkit.proof._kinds import Kind, family_and_kind

LONGEST = 120
"""Characters of a path that a person still reads."""
MOST_NAMES = 50
"""A mapping with more keys is keyed by data, not by names, so its keys stay out of messages."""


@dataclass(frozen=True, slots=True)
class Path:
    """Where in the result a value is; `str` gives for example `result[3]['title']`."""

    parent: "Path | None" = None
    step: str = "result"
    depth: int = 0

    def at(self, step: str) -> "Path":
        """A place below this one."""
        return Path(self, step, self.depth + 1)

    def __str__(self) -> str:
        steps, place = [], self
        while place.parent:
            steps.append(place.step)
            place = place.parent
        text = place.step + "".join(reversed(steps))
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 3 :]}"


class DifferenceError(Exception):
    """The two results differ here."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what}")


def described(value: Any) -> str:
    """The type of a value, and how much of it there is."""
    name = type(value).__name__
    kind = family_and_kind(type(value))[1]
    if kind in (Kind.LIST, Kind.TUPLE, Kind.MAPPING, Kind.SET):
        return f"{name}, {counted(len(value), 'item')}"
    return f"{name}, {counted(len(value), 'row')}" if kind in (Kind.FRAME, Kind.SERIES) else name


def step(mapping: Sized, index: int, key: object) -> str:
    """The step to one key: names are shown; what may be data, such as an address, is only numbered."""
    is_name = isinstance(key, str) and key.isidentifier() and len(mapping) <= MOST_NAMES
    return f"['{key}']" if is_name else f"[key #{index + 1}]"
