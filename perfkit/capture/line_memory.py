"""Memory line by line, by memory-profiler, for functions that the person names.

memory-profiler's own magic finds no source for functions of notebook cells, does not load on Python 3.12 and
later, and shows the whole process as the increment of a line that calls another measured function. Its line
profiler works where it is given the code objects themselves, and its accounting is mended here: each frame
compares with its own reading at the start of the line.
"""

import linecache
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import CodeType, FrameType
from typing import Any

import memory_profiler

from perfkit.capture.call_site import code_location
from perfkit.capture.named_functions import Measurable, NamedFunction, code_of
from perfkit.model.memory import LineMemory

_MIB = 1024 * 1024


@dataclass(slots=True)
class _Frame:
    """A running frame of measured code: readings in MiB, and the table of lines that it counts into."""

    entry: float
    line_start: float
    table: dict[int, tuple[float, float, int]]


class _CodeMap(memory_profiler.CodeMap):  # type: ignore[misc]  # memory_profiler has no types
    """Readings by line of each measured code object, with the highest and the sum of the increments."""

    def __init__(self, backend: str) -> None:
        super().__init__(False, backend)
        self.functions: list[CodeType] = []
        self._frames: list[_Frame] = []

    def add(self, code: CodeType, toplevel_code: CodeType | None = None) -> None:
        """Measure this code and the code inside it; a file on the disk is not asked for."""
        if code in self:
            return
        if toplevel_code is None:
            self.functions.append(code)
        self[code] = {} if toplevel_code is None else self[toplevel_code]
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self.add(constant, toplevel_code or code)

    def enter(self, code: CodeType) -> None:
        """A frame of measured code begins."""
        memory = self._read()
        self._frames.append(_Frame(memory, memory, self[code]))

    def leave(self) -> None:
        """A frame of measured code ends. What a recursive call or a comprehension took counts there, once."""
        ended = self._frames.pop()
        if self._frames and self._frames[-1].table is ended.table:
            self._frames[-1].line_start += ended.line_start - ended.entry

    def trace(self, code: CodeType, lineno: int, prev_lineno: int | None) -> None:
        """A line ended: compare with the reading when it began, in the same frame."""
        memory, frame = self._read(), self._frames[-1]
        increment, highest, occurrences = frame.table.get(lineno, (0.0, 0.0, 0))
        increment += memory - frame.line_start
        frame.table[lineno] = (increment, max(memory, highest), occurrences + 1)
        frame.line_start = memory

    def _read(self) -> float:
        return float(memory_profiler._get_memory(-1, self.backend))


class _LineProfiler(memory_profiler.LineProfiler):  # type: ignore[misc]  # memory_profiler has no types
    """memory-profiler's line profiler, which also meets functions that are defined while it runs."""

    def __init__(self, awaited: Sequence[NamedFunction]) -> None:
        super().__init__(backend="psutil")
        self.code_map = _CodeMap(self.backend)
        self._awaited = {item.name: item.namespace for item in awaited}

    def trace_memory_usage(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The trace function. Frames of other code are left alone, which makes them run 5 times faster."""
        code = frame.f_code
        if code not in self.code_map and not self._is_awaited(frame, event):
            if self._original_trace_function is None:
                return None
            return super().trace_memory_usage(frame, event, arg)
        if event == "call":
            self.code_map.enter(code)
        super().trace_memory_usage(frame, event, arg)
        if event == "return":
            self.code_map.leave()
        return self.trace_memory_usage

    def _is_awaited(self, frame: FrameType, event: str) -> bool:
        """Whether this call is the first of a function that the block defined under an awaited name."""
        code = frame.f_code
        if event != "call" or self._awaited.get(code.co_name) is not frame.f_globals:
            return False
        if code.co_qualname != code.co_name:
            return False
        self.code_map.add(code)
        return True


class LineMemoryRecorder:
    """Measures the named functions line by line, in the thread that starts it, until it is stopped.

    Nothing is wrapped: every call is seen, under whatever name. Other functions are traced at their call, so
    the block runs slower, by 2 to 20 times; a measured line costs some 30 µs.
    """

    def __init__(self, functions: Sequence[Measurable]) -> None:
        self._named = [item for item in functions if isinstance(item, NamedFunction)]
        codes = [code_of(item) for item in functions if not isinstance(item, NamedFunction)]
        self._profiler = _LineProfiler(self._named)
        for code in codes:
            self._profiler.code_map.add(code)
        self._is_replaced = False

    def start(self) -> None:
        """Trace the calls of this thread."""
        self._profiler.enable_by_count()

    def stop(self) -> None:
        """Put back the trace function that was there before; one that the block installed is left alone."""
        if self._profiler.enable_count == 0:
            return
        if sys.gettrace() == self._profiler.trace_memory_usage:
            self._profiler.disable_by_count()
        else:
            self._is_replaced = True
            self._profiler.enable_count = 0

    def lines(self) -> tuple[LineMemory, ...]:
        """The lines that ran, function by function; an increment contains what the line called."""
        code_map = self._profiler.code_map
        return tuple(
            _line_memory(code, line_number, code_map[code][line_number])
            for code in code_map.functions
            for line_number in sorted(code_map[code])
        )

    def notes(self) -> tuple[str, ...]:
        """What was not seen, and why."""
        code_map = self._profiler.code_map
        called = {code.co_name for code in code_map.functions if code_map[code]}
        wanted = dict.fromkeys([code.co_name for code in code_map.functions] + [i.name for i in self._named])
        notes = [
            f"{name} was not measured line by line: it was not called, or only in other threads."
            for name in wanted
            if name not in called
        ]
        if self._is_replaced:
            notes.append("Line-by-line memory is incomplete: the block set a trace function of its own.")
        return tuple(notes)


def _line_memory(code: CodeType, line_number: int, measured: tuple[float, float, int]) -> LineMemory:
    increment, highest, occurrences = measured
    location = code_location(code.co_filename, line_number, code.co_qualname)
    first = linecache.getline(code.co_filename, code.co_firstlineno)
    indent = len(first) - len(first.lstrip())
    source = linecache.getline(code.co_filename, line_number).rstrip()
    kept = source[indent:] if not source[:indent].strip() else source
    location = replace(location, source_text=kept)
    return LineMemory(location, round(highest * _MIB), round(increment * _MIB), occurrences)
