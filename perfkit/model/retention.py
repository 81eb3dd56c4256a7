"""What stays in memory after a block: which types, who holds them, and which caches and containers grew."""

from dataclasses import dataclass
from typing import Literal

from perfkit.model.location import CodeLocation

HolderKind = Literal["variable", "module", "class", "frame", "out", "result", "exception", "unknown"]


@dataclass(frozen=True, slots=True)
class Holder:
    """What keeps an object alive, by the shortest chain of references that was found.

    `kind` is `variable` for a name of the notebook or script, `module` for a name of another module, `class`
    for an attribute of a class, `frame` for a variable of a running function. `out` is IPython's store of
    results, `result` the value of the cell's last expression, `exception` the last error with its
    traceback: these belong to the notebook and are no leak. `path` leads from the holder to the object, the
    object left out.
    """

    kind: HolderKind
    name: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeGrowth:
    """How many more objects of a type there are after the block than before.

    `size_diff` is their own size in bytes, without what they refer to. Strings, bytes, numbers and arrays
    are not known to the garbage collector (`is_tracked` is false): counted are those that new objects, names
    and entries refer to, which may have been there before.
    """

    type_name: str
    count_diff: int
    size_diff: int
    is_tracked: bool = True
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class CacheUse:
    """One `functools.lru_cache`; `lengths`: entries before the block, after it, and after each repeat."""

    name: str
    location: CodeLocation
    maxsize: int | None
    hits: int
    misses: int
    lengths: tuple[int, ...]

    @property
    def hit_rate(self) -> float | None:
        """Share of the calls that were answered from the cache, since it was made; `None` without calls."""
        calls = self.hits + self.misses
        return self.hits / calls if calls else None


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """A container at module or class level that grew; `lengths` as for `CacheUse`."""

    name: str
    type_name: str
    lengths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """What stays after a block, the largest growth first."""

    types: tuple[TypeGrowth, ...] = ()
    caches: tuple[CacheUse, ...] = ()
    containers: tuple[ContainerUse, ...] = ()
    notes: tuple[str, ...] = ()
