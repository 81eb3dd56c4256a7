"""Containers at module and class level, and caches of functions, whose entries grow from run to run."""

import functools
import gc
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from types import FunctionType
from typing import Any, Literal

from perfkit.capture import safe_types
from perfkit.capture.call_site import code_location, is_user_file
from perfkit.capture.holders import is_history_name
from perfkit.model.location import CodeLocation
from perfkit.model.retention import CacheUse, ContainerUse

_MOST_ENTRIES = 100_000
_DICTIONARIES = (dict, OrderedDict, defaultdict)


@dataclass(frozen=True, slots=True)
class _Named:
    """A container where it was found: of the notebook, of a module, or of a class."""

    kind: Literal["variable", "module", "class"]
    name: str
    container: Any


@dataclass(frozen=True, slots=True)
class Grown:
    """A container with more entries than before."""

    kind: Literal["variable", "module", "class"]
    name: str
    container: Any
    length_before: int

    def new_entries(self) -> Iterator[object]:
        """What was added, at most 100,000 entries; nothing for a set, which keeps no order."""
        stop = self.length_before + _MOST_ENTRIES
        if type(self.container) in _DICTIONARIES:
            added = islice(list(dict.items(self.container)), self.length_before, stop)
            yield from chain.from_iterable(added)
        elif type(self.container) in (list, deque):
            yield from islice(list(self.container), self.length_before, stop)


class ContainerWatch:
    """Lengths of the person's containers at module and class level; those of libraries are not looked at."""

    def __init__(self) -> None:
        self._lengths: dict[str, list[int]] = {}
        self._identities: dict[str, int] = {}
        self._types: dict[str, str] = {}

    def start(self) -> None:
        """Note every container and its length."""
        for item in _containers():
            self._identities[item.name] = id(item.container)
            self._types[item.name] = type(item.container).__name__
            self._lengths[item.name] = [len(item.container)]

    def read(self) -> list[Grown]:
        """Note the lengths now; a container that was replaced is forgotten.

        Returns:
            Those that have grown since the last reading.
        """
        here = {item.name: item for item in _containers()}
        grown = []
        for name, lengths in list(self._lengths.items()):
            item = here.get(name)
            if item is None or id(item.container) != self._identities[name]:
                del self._lengths[name]
                continue
            if len(item.container) > lengths[-1]:
                grown.append(Grown(item.kind, name, item.container, lengths[-1]))
            lengths.append(len(item.container))
        return grown

    def uses(self) -> tuple[ContainerUse, ...]:
        """The containers that are longer than at first, the longest growth first."""
        grown = [
            ContainerUse(name, self._types[name], tuple(lengths))
            for name, lengths in self._lengths.items()
            if lengths[-1] > lengths[0]
        ]
        return tuple(sorted(grown, key=lambda use: use.lengths[0] - use.lengths[-1]))


class CacheWatch:
    """Every `functools.lru_cache` around a function of the person's."""

    def __init__(self) -> None:
        self._lengths: dict[int, list[int]] = {}
        self._readings = 0

    def read(self) -> None:
        """Note how many entries each holds now; one that is new had none before."""
        for cache in _caches():
            lengths = self._lengths.setdefault(id(cache), [0] * self._readings)
            lengths.append(cache.cache_info().currsize)
        self._readings += 1

    def uses(self) -> tuple[CacheUse, ...]:
        """The caches that are there now, the largest first."""
        found = []
        for cache in _caches():
            lengths = self._lengths.get(id(cache), [])
            if len(lengths) == self._readings:
                info, (name, location) = cache.cache_info(), _named(cache)
                found.append(CacheUse(name, location, info.maxsize, info.hits, info.misses, tuple(lengths)))
        return tuple(sorted(found, key=lambda use: (-use.lengths[-1], use.name)))


def _containers() -> Iterator[_Named]:
    for module, names in safe_types.modules().items():
        is_notebook = module == "__main__"
        if not is_notebook and not _is_user_module(names):
            continue
        prefix = "" if is_notebook else f"{module}."
        for name, value in list(names.items()):
            if type(name) is not str or name.startswith("__") or (is_notebook and is_history_name(name)):
                continue
            if type(value) in safe_types.CONTAINERS:
                yield _Named("variable" if is_notebook else "module", f"{prefix}{name}", value)
            elif safe_types.is_class(value):
                yield from _in_class(module, f"{prefix}{name}", value)


def _in_class(module: str, label: str, kind: type) -> Iterator[_Named]:
    names = safe_types.class_namespace(kind)
    if (
        names.get("__module__") is not None
        and type(names["__module__"]) is str
        and names["__module__"] != module
    ):
        return  # imported here, and looked at where it is defined
    for name, value in names.items():
        if type(name) is str and not name.startswith("__") and type(value) in safe_types.CONTAINERS:
            yield _Named("class", f"{label}.{name}", value)


def _is_user_module(names: dict[str, Any]) -> bool:
    file_path = names.get("__file__")
    return type(file_path) is str and is_user_file(file_path)


def _caches() -> "list[functools._lru_cache_wrapper[Any]]":
    caches = [thing for thing in gc.get_objects() if type(thing) is functools._lru_cache_wrapper]
    return [cache for cache in caches if _is_users(cache)]


def _is_users(cache: "functools._lru_cache_wrapper[Any]") -> bool:
    wrapped = cache.__dict__.get("__wrapped__")
    return type(wrapped) is FunctionType and is_user_file(wrapped.__code__.co_filename)


def _named(cache: "functools._lru_cache_wrapper[Any]") -> tuple[str, CodeLocation]:
    code = cache.__dict__["__wrapped__"].__code__
    return code.co_qualname, code_location(code.co_filename, code.co_firstlineno, code.co_name)
