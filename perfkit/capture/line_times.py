"""Time line by line, by line_profiler, for functions that the person names.

line_profiler's own magic runs a cell as text, so `await` is a syntax error in it, and empties Python's cache
of source lines, which holds the only copy of a cell. Here its C part alone is used: it times the lines, and
the lines are shown from the cache.
"""

import linecache
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from perfkit.capture._awaiting import CodePath
from perfkit.capture.call_site import code_location
from perfkit.capture.cpu import CpuProfilerBusyError, busy_message, profiler_holder
from perfkit.capture.named_functions import Measurable, NamedFunction, function_of
from perfkit.model.cpu import LineTime
from perfkit.model.location import CodeLocation

_REPLACED = "The times of lines are incomplete: the block set a profiler or trace function of its own."


class LineTimer:
    """Times the lines of named functions in the thread that starts it, until it is stopped.

    line_profiler tells functions apart by their code, and pads it for that; the functions get their own code
    back when it is stopped. Every measured line costs some 0.1 µs to 1 µs, which counts as time of the line.

    Args:
        functions: what to time; a name that the block itself defines is waited for, see `add`.
    """

    def __init__(self, functions: Sequence[Measurable]) -> None:
        self._awaited = {item.name for item in functions if isinstance(item, NamedFunction)}
        self._functions = [function_of(item) for item in functions if not isinstance(item, NamedFunction)]
        self._original: dict[int, tuple[FunctionType, CodeType]] = {}
        self._timed: list[CodeType] = []
        self._profiler: Any = None
        self._note = ""

    def start(self) -> None:
        """Begin to time.

        Raises:
            CpuProfilerBusyError: if another profiler is running; it is left alone.
        """
        holder = profiler_holder()
        if holder:
            raise CpuProfilerBusyError(busy_message(holder))
        from line_profiler._line_profiler import LineProfiler

        self._profiler = LineProfiler()
        for function in self._functions:
            self._time(function)
        self._profiler.enable_by_count()

    def add(self, function: object) -> None:
        """Time a function that the block has just defined, if it is one of those that were named."""
        if self._profiler is None:
            return
        try:
            found = function_of(function)
        except TypeError:
            return
        if found.__name__ in self._awaited:
            self._time(found)

    def stop(self) -> None:
        """End the timing; the functions are as they were before."""
        profiler = self._profiler
        if profiler is None or profiler.enable_count == 0:
            return
        try:
            profiler.disable_by_count()
        except (ValueError, RuntimeError):
            self._note = _REPLACED  # the block has taken the interpreter's tool from it
        for function, code in self._original.values():
            function.__code__ = code
        self._original.clear()

    def lines(self, stacks: Iterable[CodePath] = (), wall_s: float = math.inf) -> tuple[LineTime, ...]:
        """The lines that ran, function by function, in their order.

        Args:
            stacks: what was seen of the thread's stack meanwhile: it tells which functions called themselves.
            wall_s: how long the block took. Lines that add up to more are those of such a function too.
        """
        if self._profiler is None:
            return ()
        stats = self._profiler.get_stats()
        timings = {(file, first): sorted(lines) for (file, first, _), lines in stats.timings.items()}
        most_ticks = wall_s / stats.unit
        repeated = {key for stack in stacks for key, times in Counter(map(_key, stack)).items() if times > 1}
        repeated |= {key for key, lines in timings.items() if sum(ticks for *_, ticks in lines) > most_ticks}
        return tuple(
            LineTime(_location(code, line_number), hits, ticks * stats.unit, _key(code) in repeated)
            for code in self._timed
            for line_number, hits, ticks in timings.get(_key(code), ())
        )

    def notes(self) -> tuple[str, ...]:
        """What was not seen, and why."""
        ran = {line.location.function_name.rpartition(".")[2] for line in self.lines()}
        wanted = dict.fromkeys([*(code.co_name for code in self._timed), *sorted(self._awaited)])
        missing = [
            f"{name} was not timed line by line: it was not called, or only in other threads."
            for name in wanted
            if name not in ran
        ]
        return (*missing, *([self._note] if self._note else ()))

    def _time(self, function: FunctionType) -> None:
        if id(function) in self._original:
            return
        code = function.__code__
        self._original[id(function)] = (function, code)
        self._timed.append(code)
        self._profiler.add_function(function)


def _key(code: CodeType) -> tuple[str, int]:
    """How line_profiler knows a function, whose code runs as a copy meanwhile."""
    return code.co_filename, code.co_firstlineno


def _location(code: CodeType, line_number: int) -> CodeLocation:
    location = code_location(code.co_filename, line_number, code.co_qualname)
    first = linecache.getline(code.co_filename, code.co_firstlineno)
    indent = len(first) - len(first.lstrip())
    source = linecache.getline(code.co_filename, line_number).rstrip()
    kept = source[indent:] if not source[:indent].strip() else source
    return replace(location, source_text=kept)
