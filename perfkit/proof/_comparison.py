"""One walk through two results at once, which ends at the first difference and remembers its doubts."""

import cmath
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from perfkit.model.wording import counted
from perfkit.proof._kinds import Kind, family_and_kind
from perfkit.proof._multisets import multisets
from perfkit.proof._orm import orm_objects
from perfkit.proof._places import DifferenceError, Path, step
from perfkit.proof._tables import arrays, frames, series

FLOAT_TOLERANCE = 1e-9
"""Relative: sums in another order differ by less, a changed value by more."""
DEEPEST = 100
"""Levels of nesting; far below Python's own limit on recursion."""


class Comparison:
    """Walks through both results; `doubts` say what could not be certified, `remarks` what was left out."""

    def __init__(self, *, ordered: bool) -> None:
        self.ordered = ordered
        self.doubts: list[str] = []
        self.remarks: dict[str, None] = {}
        self._kinds: dict[type, tuple[str, Kind]] = {}
        # The objects are kept, because an id is only an object's own while the object lives.
        self._entered: dict[tuple[int, int], tuple[object, object]] = {}
        self._ways: dict[Kind, Callable[[Any, Any, Path], None]] = {
            Kind.EXACT: self._exact,
            Kind.FLOAT: self._floats,
            Kind.LIST: self._lists,
            Kind.TUPLE: lambda a, b, path: self.items(tuple(a), tuple(b), path),
            Kind.MAPPING: self._mappings,
            Kind.SET: lambda a, b, path: multisets(self, list(a), list(b), path),
            Kind.DATACLASS: self._dataclasses,
            Kind.ORM: lambda a, b, path: orm_objects(self, a, b, path),
            Kind.ITERATOR: self._iterators,
            Kind.ARRAY: lambda a, b, path: arrays(self, a, b, path),
            Kind.SERIES: lambda a, b, path: series(self, a, b, path),
            Kind.FRAME: lambda a, b, path: frames(self, a, b, path),
            Kind.OTHER: self._others,
        }

    def compare(self, a: Any, b: Any, path: Path) -> None:
        """Compare two values; raises `DifferenceError` at the first difference."""
        family, kind = self.kind(a)
        if family != self.kind(b)[0]:
            raise DifferenceError(path, f"differs ({type(a).__name__} and {type(b).__name__})")
        if kind in (Kind.EXACT, Kind.FLOAT):
            self._ways[kind](a, b, path)
        elif path.depth >= DEEPEST:
            self.doubt(path, f"is nested deeper than {DEEPEST} levels")
        elif (id(a), id(b)) not in self._entered:
            self._entered[id(a), id(b)] = (a, b)
            self._ways[kind](a, b, path)

    def items(self, a: Sequence[Any], b: Sequence[Any], path: Path) -> None:
        """Compare one after the other."""
        self.same_length(a, b, path)
        for index, (item_a, item_b) in enumerate(zip(a, b, strict=True)):
            self.compare(item_a, item_b, path.at(f"[{index}]"))

    def same_length(self, a: Sequence[Any], b: Sequence[Any], path: Path) -> None:
        """Raise `DifferenceError` unless both have as many items."""
        if len(a) != len(b):
            raise DifferenceError(path, f"has {counted(len(a), 'item')} before and {len(b)} after")

    def same_type(self, a: object, b: object, path: Path) -> None:
        """Raise `DifferenceError` unless both are of one type."""
        if type(a) is not type(b):
            raise DifferenceError(path, f"differs ({type(a).__name__} and {type(b).__name__})")

    def doubt(self, path: Path, what: str) -> None:
        """Remember that a place cannot be certified, and go on: a difference elsewhere says more."""
        self.doubts.append(f"{path} {what}")

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Try a comparison: if it ends in a difference, all that was noted on the way is forgotten."""
        entered, doubts = len(self._entered), len(self.doubts)
        try:
            yield
        except DifferenceError:
            while len(self._entered) > entered:
                self._entered.popitem()
            del self.doubts[doubts:]
            raise

    def kind(self, value: object) -> tuple[str, Kind]:
        """The family of a value, and how it is compared."""
        cls = type(value)
        if cls not in self._kinds:
            self._kinds[cls] = family_and_kind(cls)
        return self._kinds[cls]

    def _exact(self, a: Any, b: Any, path: Path) -> None:
        if a is b or a == b or (a != a and b != b):  # NaN is the one value that differs from itself
            return
        if isinstance(a, str | bytes):
            unit = "characters" if isinstance(a, str) else "bytes"
            raise DifferenceError(path, f"differs ({type(a).__name__}, {len(a)} and {len(b)} {unit})")
        raise DifferenceError(path, f"differs ({type(a).__name__})")

    def _floats(self, a: Any, b: Any, path: Path) -> None:
        if not (cmath.isclose(a, b, rel_tol=FLOAT_TOLERANCE) or (a != a and b != b)):
            raise DifferenceError(path, f"differs ({type(a).__name__}, by more than 1e-9 of its size)")

    def _lists(self, a: list[Any], b: list[Any], path: Path) -> None:
        if self.ordered:
            self.items(a, b, path)
        else:
            multisets(self, a, b, path)

    def _mappings(self, a: Mapping[Any, Any], b: Mapping[Any, Any], path: Path) -> None:
        for here, there, side in ((a, b, "before"), (b, a, "after")):
            lone = [step(here, index, key) for index, key in enumerate(here) if key not in there]
            if lone:
                raise DifferenceError(path.at(lone[0]), f"is there only {side} ({len(lone)} such in all)")
        for index, key in enumerate(a):
            self.compare(a[key], b[key], path.at(step(a, index, key)))

    def _dataclasses(self, a: Any, b: Any, path: Path) -> None:
        self.same_type(a, b, path)
        for field in dataclasses.fields(a):
            if field.compare:
                self.compare(getattr(a, field.name), getattr(b, field.name), path.at(f".{field.name}"))

    def _iterators(self, a: object, b: object, path: Path) -> None:
        self.doubt(path, f"is of type {type(a).__name__}, which can be read only once; return a list")

    def _others(self, a: Any, b: Any, path: Path) -> None:
        self.same_type(a, b, path)
        if a is b:
            return
        cls: Any = type(a)
        if cls.__eq__ is object.__eq__:
            self.doubt(
                path, f"is of type {type(a).__name__}, which has no comparison by value; return plain data"
            )
            return
        answer = a == b
        if self.kind(answer)[0] != "bool":
            self.doubt(
                path, f"is of type {type(a).__name__}, whose comparison gives a {type(answer).__name__}"
            )
        elif not answer:
            raise DifferenceError(path, f"differs ({type(a).__name__})")
