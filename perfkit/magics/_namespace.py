"""Names that a person types after a magic: variables, functions and engines of the notebook."""

import difflib
import functools
import re
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

from perfkit.capture.named_functions import Measurable, functions_in
from perfkit.magics._ipython import MagicError, Shell
from perfkit.session import shop_engine

_MOST_LISTED = 5
"""Engines that one line can name with their databases."""

# A function under `functools.cache` is one to the person who wrote it.
_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, type(functools.cache(len))
)  # fmt: skip
_KINDS = {"function": _FUNCTIONS, "class": (type,), "module": (types.ModuleType,)}
"""What is written once and used in many cells. A value, such as a former result, is made anew by its cell."""


def variable(namespace: Mapping[str, Any], dotted_name: str) -> Any:
    """The object behind `name` or `module.name`.

    Raises:
        MagicError: if the notebook has no such name.
    """
    first, *rest = dotted_name.split(".")
    if first not in namespace:
        raise MagicError(f"The notebook has no variable {first!r}.{_did_you_mean(first, namespace)}")
    found = namespace[first]
    for position, part in enumerate(rest, start=1):
        try:
            found = getattr(found, part)
        except AttributeError:
            owner = ".".join([first, *rest[: position - 1]])
            raise MagicError(f"{owner!r} has nothing of the name {part!r}.") from None
    return found


def _did_you_mean(name: str, namespace: Mapping[str, Any]) -> str:
    known = [other for other in namespace if not other.startswith("_")]
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else " Run the cell that defines it first."


def refuse_taken_name(shell: Shell, magic: str, name: str | None) -> None:
    """Keep a result from replacing what the notebook needs.

    Args:
        shell: whose variables and whose running cell are looked at: the cell may define the function.
        magic: its name as typed, for the message.
        name: of the variable that takes the result, if any.

    Raises:
        MagicError: if it holds a function, a class or a module.
    """
    if name is None:
        return
    held = type(shell.user_ns.get(name))
    kind = next((kind for kind, types_of in _KINDS.items() if issubclass(held, types_of)), None)
    if kind is None and _cell_defines(shell, name, indent=""):
        kind = "function"
    if kind:
        raise MagicError(
            f"{magic}: {name!r} is the name of a {kind}, which the result would replace. Give another name."
        )


def named_functions(shell: Shell, magic: str, names: Sequence[str]) -> tuple[Measurable, ...]:
    """The functions that a person has named to have them measured line by line.

    Args:
        shell: whose variables and whose running cell are looked at: the cell may define the function.
        magic: its name as typed, for the message.
        names: plain names, or dotted ones such as `module.function`.

    Raises:
        MagicError: if there is no such function, or it is not written in Python.
    """
    for name in names:
        if not _cell_defines(shell, name):
            variable(shell.user_ns, name)
    try:
        return tuple(functions_in(shell.user_ns, names))
    except (LookupError, TypeError) as error:
        raise MagicError(f"{magic}: {error}") from None


def _cell_defines(shell: Shell, name: str, indent: str = r"\s*") -> bool:
    """Whether the function may come to be while the cell runs."""
    cell = shell.displayhook.exec_result
    definition = rf"^{indent}(async\s+)?def\s+{re.escape(name)}\b"
    return cell is not None and re.search(definition, cell.info.raw_cell, re.MULTILINE) is not None


def engines(namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The engines of the notebook by the name of the variable, each engine once.

    An `AsyncEngine` counts, and so does an open shop of `perfkit.lab`, by its engine. Types are looked at,
    never the objects: a user's proxy may do anything when it is touched.
    """
    found: dict[str, Any] = {}
    for name, item in list(namespace.items()):
        engine = None if name.startswith("_") else as_engine(item)
        if engine is not None and all(engine is not other for other in found.values()):
            found[name] = engine
    return found


def as_engine(item: object) -> Any:
    """The engine that this is or, for a shop of the lab, holds; `None` for anything else."""
    if issubclass(type(item), _engine_types()):
        return item
    return shop_engine(item)


def _engine_types() -> tuple[type, ...]:
    """Of the modules that somebody has imported: nobody holds an engine of another one."""
    places = (("sqlalchemy.engine", "Engine"), ("sqlalchemy.ext.asyncio", "AsyncEngine"))
    return tuple(getattr(sys.modules[module], name) for module, name in places if module in sys.modules)


def database_of(engine: Any) -> str:
    """Kind, host and name only: the rest of a URL may hold a password."""
    url = engine.url
    host = f" on {url.host}" if url.host else ""
    return f"{url.get_backend_name()}: {url.database or 'in memory'}{host}"


def the_engine(namespace: Mapping[str, Any], name: str | None) -> Any:
    """The engine of this name, or the only one that the notebook has.

    Args:
        namespace: the notebook's variables.
        name: of the variable that holds an engine, a connection or a shop; `None` for the only engine.

    Returns:
        Something that statements can be sent through.

    Raises:
        MagicError: if there is none, or more than one to choose from.
    """
    if name is not None:
        return _named(namespace, name)
    found = engines(namespace)
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise MagicError(_which(found))
    raise MagicError("The notebook has no SQLAlchemy engine. Make one: engine = create_engine(url)")


def _which(found: Mapping[str, Any]) -> str:
    """What to say where the SQL could be meant for any of several engines."""
    listed = [f"{name} ({database_of(engine)})" for name, engine in found.items()]
    more = len(listed) - _MOST_LISTED
    names = ", ".join([*listed[:_MOST_LISTED], *([f"and {more} more"] if more > 0 else [])])
    return (
        f"Several engines are here, and the SQL could be meant for any: {names}.\n"
        f"Say which: %%explain -e {next(iter(found))}"
    )


def _named(namespace: Mapping[str, Any], name: str) -> Any:
    known = engines(namespace)
    if known and name.split(".")[0] not in namespace:
        near = _did_you_mean(name, namespace)
        here = "" if "Did you mean" in near else f" Engines here: {', '.join(known)}."
        raise MagicError(f"The notebook has no variable {name!r}.{here or near}")
    item = variable(namespace, name)
    engine = as_engine(item)
    if engine is not None:
        return engine
    from sqlalchemy.engine import Connection

    if issubclass(type(item), Connection):
        return item
    here = ", ".join(engines(namespace)) or "none"
    raise MagicError(f"{name!r} is a {type(item).__name__}, not a SQLAlchemy engine. Engines here: {here}.")
