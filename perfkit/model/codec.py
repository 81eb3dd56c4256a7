"""Traces to JSON and back, with a version, so that a saved trace can be judged again years later."""

import dataclasses
import functools
import json
import operator
import types
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from perfkit.model.plan_json import MAX_NUMBER, MAX_VALUE_DEPTH
from perfkit.model.trace import Trace

SCHEMA_VERSION = 1
Coded = TypeVar("Coded")
Decoder = Callable[[Any], Any]
_PLAIN = frozenset({str, int, float, bool})


class TraceFormatError(ValueError):
    """The text is not a trace, or one of a later version."""


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """Turn a trace into plain JSON values.

    Args:
        trace: what to encode.

    Returns:
        A dictionary that `json.dumps` takes and `trace_from_json` reads back.
    """
    return {"schema_version": SCHEMA_VERSION, "trace": encode(trace)}


def trace_from_json(data: object) -> Trace:
    """Read a trace from JSON values.

    Args:
        data: what `trace_to_json` returned, from any earlier version.

    Returns:
        An equal trace.

    Raises:
        TraceFormatError: if it is something else, or was written by a later perfkit.
    """
    trace = read_versioned(data, "trace", Trace, advice="Give a file that perfkit.save wrote.")
    for plan in trace.plans or ():
        for one in (plan, *(other.plan for other in plan.alternatives)):
            numbers = [node.node_id for node in one.nodes()]
            if len(numbers) != len(set(numbers)):
                raise TraceFormatError("This perfkit trace is damaged (two nodes of a plan have one number).")
    return trace


def read_versioned(data: object, kind: str, cls: type[Coded], *, advice: str = "") -> Coded:
    """Read one of this package's dataclasses from JSON values that carry the version of their format.

    Args:
        data: a dictionary with a `schema_version`, and the encoded object under the name of its kind.
        kind: what it is, such as "trace".
        cls: its dataclass.
        advice: what to give instead, where it is something else; a sentence.

    Returns:
        The object, from any earlier version.

    Raises:
        TraceFormatError: if it is something else, damaged, or was written by a later perfkit; in one line.
    """
    if not isinstance(data, Mapping) or "schema_version" not in data or kind not in data:
        raise TraceFormatError(f"This is not a perfkit {kind}. {advice}".rstrip())
    version = data["schema_version"]
    if type(version) is not int or version > SCHEMA_VERSION:
        raise TraceFormatError(
            f"This {kind} has format {version}; this perfkit reads up to {SCHEMA_VERSION}. Upgrade perfkit."
        )
    try:
        found = decode(cls, data[kind])
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise TraceFormatError(
            f"This perfkit {kind} is damaged ({type(error).__name__}: {error})."
        ) from error
    assert isinstance(found, cls)
    return found


def dumps(trace: Trace) -> str:
    """The trace as JSON text."""
    return json.dumps(trace_to_json(trace), ensure_ascii=True, allow_nan=False)


def loads(text: str) -> Trace:
    """Read the text that `dumps` wrote; raises `TraceFormatError` for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceFormatError(f"This is not a perfkit trace: not JSON ({error}).") from error
    return trace_from_json(data)


def encode(value: Any) -> Any:
    """Plain JSON values for a dataclass of this package and everything in it; defaults are left out."""
    if type(value) is str:
        return _sendable(value)
    if value is None or type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {}
        for (name, default), item in zip(_fields(type(value)), _values(type(value))(value), strict=True):
            if item is not default and item != default:
                found[name] = encode(item)
        return found
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = []  # a loop, not a comprehension: a plan of 200 levels must not meet the recursion limit
        for item in value:
            items.append(encode(item))  # noqa: PERF401  see above
        return items
    return value.value if isinstance(value, Enum) else value


def _sendable(text: str) -> str:
    """Lone surrogates as escapes: Jupyter cannot send them, and the whole report would be lost."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


@functools.cache
def _values(cls: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Reads all of a dataclass's fields at once."""
    names = [name for name, _ in _fields(cls)]
    read = operator.attrgetter(*names)
    return read if len(names) > 1 else lambda value: (read(value),)


def decode(hint: Any, value: Any) -> Any:
    """A value of the annotated type from plain JSON values; `TypeError` or `ValueError` if it is none."""
    return _decoder(hint)(value)


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Names and defaults of what a constructor takes; a field without a default equals nothing."""
    return tuple((field.name, field.default) for field in dataclasses.fields(cls) if field.init)


@functools.cache
def _decoder(hint: Any) -> Decoder:
    """How to read a value of this type, worked out once: a trace may hold a million statements."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint)
    if origin is tuple:
        return _tuple(get_args(hint))
    if origin is Literal:
        return _literal(get_args(hint))
    if origin is Mapping:
        return _mapping
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint)
    return {int: _int, float: _float}.get(hint) or _scalar(hint)


def _optional(hint: Any) -> Decoder:
    (option,) = (option for option in get_args(hint) if option is not type(None))
    inner = _decoder(option)
    return lambda value: None if value is None else inner(value)


def _tuple(options: tuple[Any, ...]) -> Decoder:
    is_homogeneous = len(options) == 2 and options[1] is Ellipsis

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        readers = [_decoder(options[0])] * len(value) if is_homogeneous else [_decoder(o) for o in options]
        items = []
        for reader, item in zip(readers, value, strict=True):
            items.append(reader(item))
        return tuple(items)

    return read


def _literal(options: tuple[Any, ...]) -> Decoder:
    def read(value: Any) -> Any:
        if value not in options:
            raise ValueError(f"{value!r} is none of {options}")
        return value

    return read


def _dataclass(cls: Any) -> Decoder:
    hints: dict[str, Any] = {}

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected {cls.__name__}, got {type(value).__name__}")
        if not hints:  # not before: the types of a tree name each other
            hints.update(get_type_hints(cls))
        found = {}
        for name, _ in _fields(cls):
            if name in value:
                found[name] = _decoder(hints[name])(value[name])
        return cls(**found)

    return read


def _mapping(value: Any) -> Any:
    """What the database said under its own names."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {type(value).__name__}")
    for item in value.values():
        _check(item)
    return value


def _check(value: Any, depth: int = 0) -> None:
    """Let pass what a plan may hold, whoever wrote it."""
    if isinstance(value, int | float):
        _number(value)
    elif isinstance(value, Mapping | list | tuple):
        if depth >= MAX_VALUE_DEPTH:
            raise ValueError(f"more than {MAX_VALUE_DEPTH} levels within an attribute")
        for item in value.values() if isinstance(value, Mapping) else value:
            _check(item, depth + 1)


def _number(value: Any) -> Any:
    if not abs(value) <= MAX_NUMBER:  # not a number, and infinity, are never within it
        raise ValueError("a number is out of range")
    return value


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected int, got {type(value).__name__}")
    return int(_number(value))


def _float(value: Any) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"expected float, got {type(value).__name__}")
    return float(_number(value))


def _scalar(hint: Any) -> Decoder:
    def read(value: Any) -> Any:
        if type(value) is hint:
            return value
        if hint in _PLAIN:
            raise TypeError(f"expected {hint.__name__}, got {type(value).__name__}")
        is_enum = isinstance(hint, type) and issubclass(hint, Enum)
        return hint(value) if is_enum else value

    return read
