"""Names and sizes of objects without running any code of their own.

A class may define `__sizeof__`, `__len__`, `__class__` or `__eq__`, and a metaclass `__getattribute__`: all
that is the user's code and must not run. What C defines for the built-in base of a class is asked instead.
"""

import functools
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

_NAME_CHARACTERS = 120
_TYPE: Any = type  # its attributes are taken from it by force: a metaclass may hide them
_mro = _TYPE.__dict__["__mro__"].__get__
_qualname = _TYPE.__dict__["__qualname__"].__get__
_module = _TYPE.__dict__["__module__"].__get__
_flags = _TYPE.__dict__["__flags__"].__get__
_class_namespace = _TYPE.__dict__["__dict__"].__get__
_MODULE: Any = ModuleType
_module_namespace = _MODULE.__dict__["__dict__"].__get__
_GC_HEADER_BYTES = sys.getsizeof([]) - list.__sizeof__([])
_HAS_GC_HEADER = 1 << 14  # Py_TPFLAGS_HAVE_GC
_HAS_MANAGED_HEADER = 1 << 4 | 1 << 3  # Py_TPFLAGS_MANAGED_DICT, Py_TPFLAGS_MANAGED_WEAKREF
_MANAGED_HEADER_BYTES = 2 * tuple.__itemsize__
_IS_WRITTEN_IN_C = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE, which a class statement cannot have
# `len` of exactly these types is C's.
CONTAINERS = frozenset({list, dict, set, bytearray, deque, OrderedDict, defaultdict})


def bases(kind: type) -> tuple[type, ...]:
    """A class and its bases, in the order in which attributes are looked up."""
    found: tuple[type, ...] = _mro(kind)
    return found


def is_class(thing: object) -> bool:
    """Whether it is a class, whatever it says of itself."""
    return type in bases(type(thing))


def type_name(kind: type) -> str:
    """Module and name of a type, at most 120 characters; built-in ones and those of the notebook by name."""
    try:
        module, name = _module(kind), _qualname(kind)
    except AttributeError:
        module, name = "", _qualname(kind)
    if type(module) is not str or module in ("builtins", "__main__", ""):
        full = f"{name}"
    else:
        full = f"{module}.{name}"
    return full if len(full) <= _NAME_CHARACTERS else f"{full[: _NAME_CHARACTERS - 1]}…"


def size_of(thing: object) -> int:
    """Its own size in bytes, as `sys.getsizeof` gives it where a class does not say otherwise."""
    kind = type(thing)
    flags = _flags(kind)
    header = _GC_HEADER_BYTES if flags & _HAS_GC_HEADER else 0
    header += _MANAGED_HEADER_BYTES if flags & _HAS_MANAGED_HEADER else 0
    return _sizer(kind)(thing) + header


@functools.cache
def _sizer_by_name(kind: type) -> Callable[[Any], int]:
    sizer: Callable[[Any], int] = _class_namespace(kind)["__sizeof__"]
    return sizer


def _sizer(kind: type) -> Callable[[Any], int]:
    """How the first base that is written in C takes the size; what a class of Python's says is not asked."""
    for base in bases(kind):
        if _flags(base) & _IS_WRITTEN_IN_C and "__sizeof__" in _class_namespace(base):
            return _sizer_by_name(base)
    return object.__sizeof__


def class_namespace(kind: type) -> dict[str, Any]:
    """The attributes that a class defines itself, copied."""
    return dict(_class_namespace(kind))


def modules() -> dict[str, dict[str, Any]]:
    """The namespace of every module by its name; one of several names by the first, or as `__main__`."""
    found: dict[int, tuple[str, dict[str, Any]]] = {}
    for name, module in [("__main__", sys.modules.get("__main__")), *list(sys.modules.items())]:
        if type(name) is str and ModuleType in bases(type(module)):
            names = _module_namespace(module)
            found.setdefault(id(names), (name, names))
    return dict(found.values())


def notebook_names() -> dict[str, Any]:
    """The names of the notebook or script, copied."""
    return dict(modules().get("__main__", {}))
