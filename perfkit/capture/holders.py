"""Who keeps an object alive: the shortest chain of references from a name to it."""

import functools
import gc
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType, FunctionType, TracebackType
from typing import Any

from perfkit.capture import safe_types
from perfkit.capture._code_origin import origin
from perfkit.capture._running_frames import running_frames
from perfkit.model.retention import Holder, HolderKind

# A step looks at every object of the process once: 15 ms for 80,000 of them, 70 ms for a million (measured).
BUDGET_S = 0.5
_MOST_STEPS = 10
_MOST_BREADTH = 200
# A holder of the person's own is looked for this many steps beyond one of the notebook's.
_STEPS_BEYOND = 2
_RESULT_NAME = re.compile(r"_{1,3}|_\d+|_oh|Out")
_INPUT_NAME = re.compile(r"_i{1,3}|_i\d+|_ih|In|_dh")
_ERROR_NAME = re.compile(r"last_(exc|value|traceback)")
_NOTEBOOK_KINDS = frozenset({"out", "result", "exception"})
_RANK: tuple[HolderKind, ...] = ("variable", "class", "module", "frame", "out", "result", "exception")


@dataclass(slots=True)
class _Link:
    """An object on the way, and what it refers to on the way back to the target."""

    thing: object
    child: "_Link | None"


_Found = tuple[Holder, _Link | None]


class HolderSearch:
    """Searches breadth first, until the time is up.

    Args:
        budget_s: for all searches together, in seconds.
    """

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        self._namespaces = {id(names): module for module, names in safe_types.modules().items()}
        self._running = dict(_running_variables())
        self._own = {id(self._running), id(self._namespaces)}
        self._deadline_s = time.monotonic() + budget_s
        self._known: dict[int, Holder] = {}
        self._links: list[_Link] = []
        self.is_out_of_time = False

    def holder_of(self, target: object) -> Holder:
        """What keeps this object alive; of kind `unknown` where nothing was found in time.

        Looks at types and references alone: no method of any object on the way is called.
        """
        holder, link = self._search(target)
        if link is not None and holder.kind != "unknown":
            self._remember(holder, link)
        return holder

    def _search(self, target: object) -> _Found:
        level, seen, beyond = [_Link(target, None)], {id(target)}, 0
        best: _Found = Holder("unknown"), None
        for _ in range(_MOST_STEPS):
            found = [best, *self._frames(level)]
            level = self._referrers(level, seen)
            found += [(holder, link) for link in level if (holder := self._root(link))]
            best = min(found, key=lambda item: _rank(item[0]))
            beyond += best[0].kind in _NOTEBOOK_KINDS
            if best[0].kind not in _NOTEBOOK_KINDS | {"unknown"} or beyond > _STEPS_BEYOND or not level:
                break
            if time.monotonic() > self._deadline_s:
                self.is_out_of_time = best[1] is None
                break
            level = [link for link in level if not self._is_end(link.thing)][:_MOST_BREADTH]
        return best

    def _remember(self, holder: Holder, link: _Link) -> None:
        """Other objects are often held by the same chain."""
        self._links.append(link)  # so that no other object can take its place in memory
        depth, current = 0, link.child if id(link.thing) in self._namespaces else link
        while current is not None and current.child is not None and depth <= len(holder.path):
            self._known.setdefault(id(current.thing), Holder(holder.kind, holder.name, holder.path[:depth]))
            depth, current = depth + 1, current.child

    def _referrers(self, level: list[_Link], seen: set[int]) -> list[_Link]:
        if not level:
            return []
        by_id = {id(link.thing): link for link in level}
        ours = self._own | {id(by_id), id(level), id(seen)} | {id(link) for link in level}
        found: list[_Link] = []
        for thing in gc.get_referrers(*(link.thing for link in level)):
            if id(thing) in seen or id(thing) in ours or type(thing) is _Link or _is_ours(thing):
                continue
            seen.add(id(thing))
            child = next((by_id[id(item)] for item in gc.get_referents(thing) if id(item) in by_id), None)
            if child is not None:
                found.append(_Link(thing, child))
        return found

    def _is_end(self, thing: object) -> bool:
        return id(thing) in self._namespaces or safe_types.is_class(thing)

    def _root(self, link: _Link) -> Holder | None:
        """The holder, if the chain ends here: in the names of a module or of a class."""
        thing, child = link.thing, link.child
        assert child is not None
        if id(thing) in self._known:
            known = self._known[id(thing)]
            return Holder(known.kind, known.name, (*known.path, *_path(link)))
        if id(thing) in self._namespaces:
            assert type(thing) is dict
            name = _key_of(thing, child.thing)
            return _named(self._namespaces[id(thing)], name, child) if name else None
        return _class_attribute(thing, child) if safe_types.is_class(thing) else None

    def _frames(self, level: list[_Link]) -> Iterator[_Found]:
        for link in level:
            found = self._running.get(id(link.thing))
            if found is not None:
                yield Holder(found[0], found[1], _path(link)), link


def _class_attribute(kind: Any, child: _Link) -> Holder:
    """The attribute of a class; between the two may stand the dictionary of its attributes."""
    attributes, name = safe_types.class_namespace(kind), ""
    for link in (child, child.child):
        name = name or (_key_of(attributes, link.thing) if link is not None else "")
        if name and link is not None:
            return Holder("class", f"{safe_types.type_name(kind)}.{name}", _path(link))
    return Holder("class", safe_types.type_name(kind), _path(child))


def _rank(holder: Holder) -> int:
    return _RANK.index(holder.kind) if holder.kind in _RANK else len(_RANK)


def _is_ours(thing: object) -> bool:
    return safe_types.type_name(type(thing)).startswith("perfkit.")


def _key_of(names: dict[Any, Any], value: object) -> str:
    """The name under which a namespace holds this very object; IPython's own names come last."""
    keys = [key for key, item in list(dict.items(names)) if item is value and type(key) is str]
    keys.sort(key=is_history_name)
    return keys[0] if keys else ""


def _named(module: str, name: str, child: _Link) -> Holder:
    path = _path(child)
    if module == "__main__":
        if _RESULT_NAME.fullmatch(name):
            return Holder("out", _result_name(name, child), path)
        return Holder("variable", name, path)
    is_error = module == "sys" and _ERROR_NAME.fullmatch(name)
    if is_error or (_passes_a_traceback(child) and origin_of_module(module) == "host"):
        return Holder("exception", f"sys.{name}" if is_error else f"{module}.{name}", path)
    return Holder("module", f"{module}.{name}", path)


def is_history_name(name: str) -> bool:
    """Whether a name of the notebook is IPython's own: its results and inputs."""
    return bool(_RESULT_NAME.fullmatch(name) or _INPUT_NAME.fullmatch(name))


def origin_of_module(module: str) -> str:
    """Whose a module is; see `_code_origin.origin`."""
    file_path = safe_types.modules().get(module, {}).get("__file__")
    return origin(file_path) if type(file_path) is str else "builtin"


def _result_name(name: str, child: _Link) -> str:
    """`Out[7]` where that can be told."""
    if re.fullmatch(r"_\d+", name):
        return f"Out[{name[1:]}]"
    if name in ("_oh", "Out") and type(child.thing) is dict and child.child is not None:
        results: dict[Any, Any] = child.thing
        numbers = (key for key, item in list(results.items()) if item is child.child.thing)
        number = next((key for key in numbers if type(key) is int), None)
        return "Out" if number is None else f"Out[{number}]"
    return name


def _passes_a_traceback(link: _Link | None) -> bool:
    while link is not None:
        if type(link.thing) is TracebackType or BaseException in safe_types.bases(type(link.thing)):
            return True
        link = link.child
    return False


def _path(link: _Link | None) -> tuple[str, ...]:
    steps = []
    while link is not None and link.child is not None:
        steps.append(step_words(link.thing))
        link = link.child
    return tuple(steps)


def step_words(thing: Any) -> str:
    """One object of a chain, in words; keys and values of the user's are not shown."""
    kind = type(thing)
    if kind in safe_types.CONTAINERS or kind in (tuple, frozenset):
        return f"{kind.__name__} of {len(thing):,}"
    if kind is FunctionType:
        return f"function {thing.__code__.co_name}"
    if kind is functools._lru_cache_wrapper:
        wrapped = thing.__dict__.get("__wrapped__")
        return f"lru_cache of {wrapped.__code__.co_name}" if type(wrapped) is FunctionType else "lru_cache"
    if kind is FrameType:
        return f"variables of {thing.f_code.co_name}"
    return safe_types.type_name(kind)


def _running_variables() -> Iterator[tuple[int, tuple[HolderKind, str]]]:
    """What variables of running functions refer to; they are in no list of the garbage collector."""
    for frame in list(running_frames().values()):
        current: FrameType | None = frame
        while current is not None:
            yield from _variables(current)
            current = current.f_back


def _coming_result() -> str:
    """Where IPython will keep the value of the running cell's last expression."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    running = None if shell is None else shell.displayhook.exec_result
    return "Out" if running is None else f"Out[{running.execution_count}]"


def _variables(frame: FrameType) -> Iterator[tuple[int, tuple[HolderKind, str]]]:
    code = frame.f_code
    if code.co_name == "<module>" or code.co_name.startswith("<cell line"):
        return  # its variables are the module's names
    whose = origin(code.co_filename)
    if whose == "own" and code.co_qualname == "CellMeter.seal":
        yield id(frame.f_locals.get("value")), ("result", _coming_result())
    if whose == "own" and code.co_qualname == "CellMeter._seal_failed":
        # Where IPython will keep the error that has ended the cell.
        yield id(frame.f_locals.get("error")), ("exception", "sys.last_value")
    if whose in ("own", "host"):
        return
    for name, value in list(frame.f_locals.items()):
        yield id(value), ("frame", f"{name} in {code.co_name}()")
