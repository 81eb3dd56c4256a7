"""Traces to JSON and back, with a version, so that a saved trace can be judged again years later."""

import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from perfkit.model.trace import Trace

SCHEMA_VERSION = 1


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
    if not isinstance(data, Mapping) or "schema_version" not in data or "trace" not in data:
        raise TraceFormatError("This is not a perfkit trace. Give a file that perfkit.save wrote.")
    version = data["schema_version"]
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise TraceFormatError(
            f"This trace has format {version}; this perfkit reads up to {SCHEMA_VERSION}. Upgrade perfkit."
        )
    try:
        trace = decode(Trace, data["trace"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise TraceFormatError(f"This perfkit trace is damaged ({type(error).__name__}: {error}).") from error
    assert isinstance(trace, Trace)
    return trace


def dumps(trace: Trace) -> str:
    """The trace as JSON text."""
    return json.dumps(trace_to_json(trace), ensure_ascii=True, allow_nan=False)


def loads(text: str) -> Trace:
    """Read the text that `dumps` wrote; raises `TraceFormatError` for anything else."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise TraceFormatError(f"This is not a perfkit trace: not JSON ({error}).") from error
    return trace_from_json(data)


def encode(value: Any) -> Any:
    """Plain JSON values for a dataclass of this package and everything in it; defaults are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value) if field.init)
        return {field.name: encode(item) for field, item in fields if not _is_default(field, item)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def _is_default(field: dataclasses.Field[Any], value: object) -> bool:
    """Defaults are left out: a trace of a million statements says each thing once."""
    return field.default is not dataclasses.MISSING and (value is field.default or value == field.default)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def decode(hint: Any, value: Any) -> Any:
    """A value of the annotated type from plain JSON values; `TypeError` or `ValueError` if it is none."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(get_args(hint), value)
    if origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"expected a list, got {type(value).__name__}")
        return _decode_tuple(get_args(hint), value)
    if origin is Literal:
        if value not in get_args(hint):
            raise ValueError(f"{value!r} is none of {get_args(hint)}")
        return value
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, value)
    return _decode_scalar(hint, value)


def _decode_union(options: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    (option,) = (option for option in options if option is not type(None))
    return decode(option, value)


def _decode_tuple(options: tuple[Any, ...], value: list[Any]) -> tuple[Any, ...]:
    if len(options) == 2 and options[1] is Ellipsis:
        return tuple(decode(options[0], item) for item in value)
    return tuple(decode(option, item) for option, item in zip(options, value, strict=True))


def _decode_dataclass(cls: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected {cls.__name__}, got {type(value).__name__}")
    hints = _hints(cls)
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    return cls(**{name: decode(hints[name], item) for name, item in value.items() if name in known})


def _decode_scalar(hint: Any, value: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise TypeError(f"expected {hint.__name__}, got {type(value).__name__}")
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    return value
