"""The two functions that are compared: how each is named, which of them failed, and what cannot be run."""

import contextlib
import inspect
from typing import Literal

Side = Literal["before", "after"]
PAIR: tuple[Side, ...] = ("before", "after")
_VERSIONS: dict[Side, str] = {"before": "the old version", "after": "the new version"}
_FIRST = "raised this in its first run; nothing was compared."
_AGAIN = (
    "raised this when both were run again to be timed; the first run of each had ended well. Their results "
    "were compared, their times were not."
)


class UnsuitableFunctionError(TypeError):
    """A function of which no run could be counted and timed as it is; the message says what to change."""


def name_of(function: object) -> str:
    """What a person calls a function; of something that bears no name, its type."""
    try:
        name = getattr(function, "__name__", None)
    except Exception:  # the object is the user's: its attributes may raise anything
        name = None
    # Of the very type: an object that only looks like a name could raise, or show values, when it is shown.
    return name if type(name) is str else type(function).__name__


def is_async(function: object) -> bool:
    """Whether a function is written with `async def`, or says that it counts as one."""
    try:
        return inspect.iscoroutinefunction(function)
    except Exception:  # it reads attributes, which may raise anything as well
        return False


def say_which(error: Exception, side: Side, function: object, *, again: bool) -> None:
    """Add to an error of a user's function which version raised it, and when.

    Args:
        error: what the function raised.
        side: which of both it is.
        function: the function.
        again: whether it was one of the runs that are timed, after a first run of each that ended well.
    """
    note = f"perfkit: {name_of(function)}(), {_VERSIONS[side]}, {_AGAIN if again else _FIRST}"
    with contextlib.suppress(Exception):  # an exception can be made to take no attributes: a frozen dataclass
        error.add_note(note)


def refuse_no_function(item: object, side: Side, magic: str) -> None:
    """Say that functions are wanted where something else was given, such as what a function returned.

    Args:
        item: what was given.
        side: which of both it is.
        magic: what is called with it: `verify` or `verify_async`.

    Raises:
        UnsuitableFunctionError: if it cannot be called.
    """
    if callable(item):
        return
    if inspect.iscoroutine(item):
        item.close()
    raise UnsuitableFunctionError(
        f"{_VERSIONS[side].capitalize()} is a {type(item).__name__}, no function: {magic} takes the "
        f"functions themselves and calls them, so write {magic}(old, new), not {magic}(old(), new())."
    )


def refuse_unrun(result: object, function: object) -> None:
    """Refuse what a function returned before it did anything: only the making of it would be timed.

    Args:
        result: what the function returned.
        function: the function.

    Raises:
        UnsuitableFunctionError: if it is a generator, or something to be awaited.
    """
    name = name_of(function)
    if inspect.isgenerator(result):
        raise UnsuitableFunctionError(
            f"{name} returns a generator, so nothing of it has run: return list(...) of it."
        )
    if inspect.isasyncgen(result):
        raise UnsuitableFunctionError(
            f"{name} returns an async generator, so nothing of it has run: return a list of it, "
            "[item async for item in ...], from an async function."
        )
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise UnsuitableFunctionError(
            f"{name} returns something to be awaited, so nothing of it has run: await it in an async "
            "function, and use await perfkit.verify_async(old, new)."
        )


def refuse_nothing_to_await(result: object, function: object) -> None:
    """Refuse a function that is not async where its result would be awaited.

    Args:
        result: what the function returned.
        function: the function.

    Raises:
        UnsuitableFunctionError: if it cannot be awaited.
    """
    if not inspect.isawaitable(result):
        raise UnsuitableFunctionError(
            f"{name_of(function)} returns nothing to be awaited: verify_async takes two async functions, and "
            "perfkit.verify takes two that are not."
        )
