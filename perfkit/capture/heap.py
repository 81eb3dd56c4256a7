"""How many objects of each type a block leaves behind, and who holds the most of them."""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType, EllipsisType, NoneType
from typing import Any

from perfkit.capture import safe_types
from perfkit.capture.growing_containers import Grown
from perfkit.capture.holders import BUDGET_S, HolderSearch, step_words
from perfkit.model.retention import Holder, TypeGrowth

_TYPES_KEPT = 30
_HOLDERS_SOUGHT = 5
# Less is not worth the search: a kernel at rest moves up to 3 kB from one cell to the next (measured).
_WORTH_A_SEARCH_BYTES = 10_000
# Sizes are taken of so many new objects at most (about 0.2 s); of the rest the mean is taken.
_MOST_SIZED = 300_000
_NOT_COUNTED = (NoneType, bool, EllipsisType, CodeType)

# A string, number or array; who holds it, if that is known; else the new object that refers to it.
_Leaf = tuple[object, Holder | None, object]


@dataclass(slots=True)
class _Growth:
    """New objects of one type."""

    count: int = 0
    size_bytes: int = 0
    sized: int = 0
    is_tracked: bool = True
    sample: Any = None
    holder: Holder | None = None
    named: "dict[Holder, int]" = field(default_factory=dict)

    def add(self, thing: object) -> None:
        self.sized += 1
        self.size_bytes += safe_types.size_of(thing)
        # One from the middle: the very newest may be the interpreter's, of the same type by chance.
        if self.sample is None and self.sized * 2 >= self.count:
            self.sample = thing

    def add_leaf(self, thing: object, holder: Holder | None, parent: object) -> None:
        """One that a new object or a known holder refers to; now and then it becomes the sample."""
        self.count += 1
        self.sized += 1
        size = safe_types.size_of(thing)
        self.size_bytes += size
        if holder is not None:
            self.named[holder] = self.named.get(holder, 0) + size
        elif self.count & (self.count - 1) == 0:
            self.sample = parent

    @property
    def whole_bytes(self) -> int:
        return round(self.size_bytes * self.count / self.sized) if self.sized else 0


class HeapGrowth:
    """Counts live objects by type before and after a block; no method of any object is called."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._before: dict[str, int] = {}
        self._bound: dict[str, int] = {}

    def start(self) -> None:
        """Count what is there: 25 ms for 80,000 objects, 0.2 s for a million."""
        self._before = _named_counts(Counter(map(type, gc.get_objects())))
        self._bound = {name: id(value) for name, value in safe_types.notebook_names().items()}

    def stop(self, grown: Iterable[Grown]) -> tuple[TypeGrowth, ...]:
        """What is there now that was not there before, largest first.

        Args:
            grown: containers that were there before and have more entries now.
        """
        growths = self._rises(gc.get_objects())
        new = self._newest(gc.get_objects(), growths)
        growths.update(self._untracked(new, grown))
        new.clear()
        self._find_holders(growths)
        found = [
            TypeGrowth(name, growth.count, growth.whole_bytes, growth.is_tracked, growth.holder)
            for name, growth in growths.items()
        ]
        return tuple(sorted(found, key=lambda item: (-item.size_diff, item.type_name))[:_TYPES_KEPT])

    def _rises(self, objects: list[object]) -> dict[str, _Growth]:
        after = _named_counts(Counter(map(type, objects)))
        rises = {name: count - self._before.get(name, 0) for name, count in after.items()}
        return {name: _Growth(rise) for name, rise in rises.items() if rise > 0 and not _is_ours(name)}

    def _newest(self, objects: list[object], growths: Mapping[str, _Growth]) -> list[object]:
        """The new objects, sized; collected ones stand in the order of their age, the new at the end."""
        wanted: dict[type, _Growth | None] = {}
        found: list[object] = []
        left = sum(growth.count for growth in growths.values())
        if left > _MOST_SIZED:
            self.notes.append(
                f"Sizes by type are those of the newest {_MOST_SIZED:,} objects, and their mean."
            )
        for thing in reversed(objects):
            kind = type(thing)
            if kind not in wanted:
                wanted[kind] = growths.get(safe_types.type_name(kind))
            growth = wanted[kind]
            if growth is None or growth.sized >= growth.count or thing is objects or thing is found:
                continue
            growth.add(thing)
            found.append(thing)
            left -= 1
            if left <= 0 or len(found) >= _MOST_SIZED:
                break
        return found

    def _untracked(self, new: Iterable[object], grown: Iterable[Grown]) -> dict[str, _Growth]:
        """Strings, bytes, numbers and arrays that new objects, names and entries refer to."""
        found: dict[str, _Growth] = {}
        seen: set[int] = set()
        for thing, holder, parent in self._leaves(new, grown):
            if id(thing) in seen or gc.is_tracked(thing) or type(thing) in _NOT_COUNTED:
                continue
            if len(seen) >= _MOST_SIZED:
                break
            seen.add(id(thing))
            name = safe_types.type_name(type(thing))
            found.setdefault(name, _Growth(is_tracked=False)).add_leaf(thing, holder, parent)
        for growth in found.values():
            most = max(growth.named, key=lambda holder: growth.named[holder], default=None)
            if most is not None and growth.named[most] * 2 >= growth.size_bytes:
                growth.holder = most
        return found

    def _leaves(self, new: Iterable[object], grown: Iterable[Grown]) -> Iterator[_Leaf]:
        for item in grown:
            holder = Holder(item.kind, item.name)
            yield from ((entry, holder, None) for entry in item.new_entries())
        for name, value in safe_types.notebook_names().items():
            if self._bound.get(name) != id(value) and not name.startswith("_"):
                yield value, Holder("variable", name), None
        for thing in new:
            yield from ((leaf, None, thing) for leaf in gc.get_referents(thing))

    def _find_holders(self, growths: dict[str, _Growth]) -> None:
        wanted = [
            growth for growth in growths.values() if growth.sample is not None and growth.holder is None
        ]
        wanted = [growth for growth in wanted if growth.whole_bytes >= _WORTH_A_SEARCH_BYTES]
        wanted = sorted(wanted, key=lambda growth: -growth.whole_bytes)[:_HOLDERS_SOUGHT]
        search = HolderSearch()
        for growth in wanted:
            holder = search.holder_of(growth.sample)
            if not growth.is_tracked and holder.kind != "unknown":
                holder = replace(holder, path=(*holder.path, step_words(growth.sample)))
            growth.holder = holder
        if search.is_out_of_time:
            self.notes.append(f"Who holds them was not found for all within {BUDGET_S} s.")


def _named_counts(counts: Counter[type]) -> dict[str, int]:
    """By name: no type is kept alive by having been counted, and a class defined anew counts with the old."""
    found: Counter[str] = Counter()
    for kind, count in counts.items():
        found[safe_types.type_name(kind)] += count
    return dict(found)


def _is_ours(name: str) -> bool:
    return name.startswith("perfkit.")
