"""How a function of a profile is called in every view of it, and which functions the block called itself."""

import re
from pathlib import PurePath

from perfkit.model.cpu import CallerEdge, CpuProfile, FunctionProfile
from perfkit.views._format import milliseconds

_NAME_CHARACTERS = 80
_BUILT_IN = re.compile(
    r"<(?:built-in method (?P<function>[^ >]+)|method '(?P<method>.+?)' of '(?P<type>.+?)' objects)>"
)


# A function's index, and the calls that it got from one caller.
Call = tuple[int, CallerEdge]


def place(function: FunctionProfile) -> str:
    """Where a function stands, in short: `In[7]:3`, `services.py:42`, `built-in`."""
    location = function.location
    if location.file_path == "~":
        return "built-in"
    return f"{printable(location.cell or PurePath(location.file_path).name)}:{location.line_number}"


def function_name(function: FunctionProfile) -> str:
    """What to call a function, on one line of at most 80 characters.

    Returns:
        Its name; for a statement of a cell its source; for a built-in the name a person writes, `list.append`
        where cProfile says `<method 'append' of 'list' objects>`.
    """
    location = function.location
    name = _BUILT_IN.sub(_built_in_name, location.function_name)
    # The first line of a whole script says nothing of it.
    if name == "<module>" and location.cell and location.source_text:
        name = location.source_text
    name = printable(name)
    return name if len(name) <= _NAME_CHARACTERS else name[: _NAME_CHARACTERS - 1] + "…"


def printable(text: str) -> str:
    """The text on one line: line breaks, control characters and lone surrogates become `�`."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "�" for char in text)


def seconds_text(seconds: float) -> str:
    """A time in words; single calls take microseconds, where parts of a millisecond would all read 0.00."""
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-4 else milliseconds(seconds * 1000)


def outside_calls(function: FunctionProfile, number: int) -> CallerEdge | None:
    """The calls that came from no recorded function: the block's own.

    Args:
        function: whose calls.
        number: its index in the profile.

    Returns:
        Calls and times as for any caller, with the caller `-1`; `None` if there were none.
    """
    others = [edge for edge in function.callers if edge.caller != number]
    ncalls = function.ncalls - sum(edge.ncalls for edge in function.callers)
    if ncalls <= 0:
        return None
    primitive_calls = function.primitive_calls - sum(edge.primitive_calls for edge in others)
    tottime = function.tottime - sum(edge.tottime for edge in function.callers)
    cumtime = function.cumtime - sum(edge.cumtime for edge in others)
    return CallerEdge(-1, ncalls, max(1, primitive_calls), max(0.0, tottime), max(0.0, cumtime))


def callees(profile: CpuProfile) -> dict[int, list[Call]]:
    """For each caller's index the functions that it called, the longest first; `-1` stands for the block."""
    found: dict[int, list[Call]] = {}
    for number, function in enumerate(profile.functions):
        outside = outside_calls(function, number)
        for edge in (*function.callers, *([outside] if outside else [])):
            found.setdefault(edge.caller, []).append((number, edge))
    for called in found.values():
        called.sort(key=lambda pair: -pair[1].cumtime)
    return found


def _built_in_name(match: re.Match[str]) -> str:
    function, method, owner = match["function"], match["method"], match["type"]
    return (function or f"{owner}.{method}").removeprefix("builtins.")
