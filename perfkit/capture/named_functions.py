"""Functions that a person names to have them measured line by line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class NamedFunction:
    """A function by its name in a namespace: found when it is first called, so the block may define it."""

    name: str
    namespace: Mapping[str, Any]


Measurable = Callable[..., Any] | NamedFunction


def functions_in(namespace: Mapping[str, Any], names: Sequence[str]) -> list[Measurable]:
    """The functions that a person named, ready to be measured line by line.

    Args:
        namespace: where the names are looked up, such as the user's namespace of a notebook.
        names: plain names, or dotted ones such as `module.function` and `Class.method`. A plain name may be
            defined, or defined anew, by the block itself.

    Returns:
        One or two entries a name: the function as it is now, and as the block may define it.

    Raises:
        LookupError: if a dotted name leads nowhere.
        TypeError: if the name stands for something without Python code, such as a built-in function.
    """
    found: list[Measurable] = []
    for name in names:
        if "." not in name:
            found.append(NamedFunction(name, namespace))
        if "." in name or name in namespace:
            value = _resolve(namespace, name)
            code_of(value, name)
            found.append(value)
    return found


def _resolve(namespace: Mapping[str, Any], name: str) -> Any:
    first, *rest = name.split(".")
    if first not in namespace:
        raise LookupError(f"There is no {first!r} to look up {name!r} in. Define or import it first.")
    value = namespace[first]
    for part in rest:
        try:
            value = getattr(value, part)
        except AttributeError:
            raise LookupError(f"{name!r} leads nowhere: there is no {part!r} in it.") from None
    return value


def code_of(function: Any, name: str | None = None) -> CodeType:
    """The code of what `function_of` finds; the arguments and errors are the same."""
    return function_of(function, name).__code__


def function_of(function: Any, name: str | None = None) -> FunctionType:
    """The Python function behind a function, a method or a decorated function.

    Args:
        function: anything that can be called.
        name: what the person called it, for the message.

    Raises:
        TypeError: if there is no Python code behind it.
    """
    while hasattr(function, "__wrapped__") or hasattr(function, "__func__"):
        function = getattr(function, "__wrapped__", None) or function.__func__
    if isinstance(function, FunctionType):
        return function
    shown = name or getattr(function, "__name__", type(function).__name__)
    raise TypeError(
        f"{shown!r} cannot be measured line by line: it is not a function written in Python. "
        "Name a function, or a method as Class.method."
    )
