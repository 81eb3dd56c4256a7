"""Measurements that a person has stored in a variable and names after a magic."""

from collections.abc import Callable
from typing import TypeVar, cast

from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._namespace import variable
from perfkit.model.trace import Trace
from perfkit.session import Measurement, MeasurementNotEndedError, Result

Part = TypeVar("Part")


def stored(shell: Shell, typed: str, name: str) -> object:
    """What a variable holds; of a result or a finished block, its trace.

    Types are looked at, never the objects: a user's proxy may do anything when it is touched.

    Args:
        shell: whose variables are looked at.
        typed: the magic as typed, for the message.
        name: of the variable.

    Raises:
        MagicError: if there is no such variable, or its block has not ended.
    """
    found = variable(shell.user_ns, name)
    try:
        if issubclass(type(found), Measurement):
            found = found.result
    except MeasurementNotEndedError as error:
        raise MagicError(f"{typed}: {error}") from None
    return found.trace if issubclass(type(found), Result) else found


def stored_part(shell: Shell, typed: str, name: str, part: Callable[[Trace], Part | None], word: str) -> Part:
    """A part of the trace that a variable holds.

    Args:
        shell: whose variables are looked at.
        typed: the magic as typed, for the message.
        name: of the variable.
        part: takes it out of a trace; `None` or an empty one is none.
        word: what it is called in the message.

    Raises:
        MagicError: if there is no such variable, or it holds none.
    """
    found = stored(shell, typed, name)
    measured = part(cast(Trace, found)) if issubclass(type(found), Trace) else None
    if not measured:
        raise MagicError(f"{typed}: {name!r} holds no {word}. Store one by {typed} {name}.")
    return measured
