"""Where the time of a block went by samples: for long runs, and for code that makes millions of calls."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import CodeType

from perfkit.capture._awaiting import CodePath
from perfkit.capture._call_graph import is_statement_file, label_of
from perfkit.capture._code_origin import asking_frame, origin
from perfkit.capture._function_rows import Label
from perfkit.capture._sampled_stacks import LabelPath, Moments, functions_and_stacks, without_repeats
from perfkit.capture._thread_sampler import Seen, ThreadSampler
from perfkit.capture.line_times import LineTimer
from perfkit.capture.named_functions import Measurable
from perfkit.model.cpu import CpuProfile
from perfkit.model.wording import counted

# With n samples a share of one half is known to ±1/√n: to ±14 % of the whole with 50.
_FEW = 50
_WORTH_A_NOTE = 0.01
_WORTH_A_NOTE_S = 0.0005
# The switch interval is 5 ms; ten times that is no chance.
_LONG_GAP_S = 0.05
_BIASED = (
    "Code that lets go of the interpreter, such as database drivers, is seen more often here than it runs: "
    "this system or thread has no timer that could tell. The cProfile engine measures it."
)
_BUILT_INS = "Built-in functions are not seen: their time is that of the function that called them."
_BOTH_AT_ONCE = (
    "The sampling engine was used because functions were timed line by line: cProfile and line_profiler "
    "cannot run at once."
)
_LOOP_FILES = ("runners.py", "base_events.py", "events.py")


class SamplingCollector:
    """Samples the calling thread between `start` and `stop`, by a thread of its own.

    Args:
        line_functions: functions that line_profiler times line by line meanwhile.

    Raises:
        TypeError: if one of them has no Python code to time.
    """

    def __init__(self, line_functions: Sequence[Measurable] = ()) -> None:
        self._timer = LineTimer(line_functions) if line_functions else None
        self._sampler: ThreadSampler | None = None
        self._halted: tuple[ThreadSampler, float, float] | None = None
        self._result: CpuProfile | None = None
        self._start_s = 0.0
        self._start_cpu_s = 0.0

    def start(self) -> None:
        """Begin to sample the calling thread; other profilers do not matter.

        Raises:
            CpuProfilerBusyError: if lines are to be timed and another profiler is running.
        """
        self._result = None
        if self._timer is not None:
            self._timer.start()
        try:
            self._sampler = ThreadSampler(asking_frame(sys._getframe()))
            self._sampler.start()
        except BaseException:  # no thread can be started, or it was interrupted
            self.halt()
            self._halted = None
            raise
        self._start_cpu_s, self._start_s = time.thread_time(), time.perf_counter()

    def add(self, function: object) -> None:
        """Time a function that the block has just defined line by line, if that was asked for."""
        if self._timer is not None and self._sampler is not None:
            self._timer.add(function)

    def halt(self) -> None:
        """End the sampler's thread; quick."""
        wall_s = time.perf_counter() - self._start_s
        cpu_s = time.thread_time() - self._start_cpu_s
        sampler, self._sampler = self._sampler, None
        if sampler is not None:
            sampler.stop()
            self._halted = (sampler, wall_s, cpu_s)
        if self._timer is not None:
            self._timer.stop()

    def stop(self) -> CpuProfile:
        """End the sampling unless `halt` did, and put the profile together.

        Returns:
            What was sampled; the same again when called again, and an empty profile if nothing was started.
        """
        self.halt()
        if self._halted is None:
            return self._result or CpuProfile("sampling", 0.0, 0.0, 0.0, (), counts="samples")
        (sampler, wall_s, cpu_s), self._halted = self._halted, None
        profile = _profile(sampler, wall_s, cpu_s)
        if self._timer is not None:
            notes = (_BOTH_AT_ONCE, *profile.notes, *self._timer.notes())
            lines = self._timer.lines((look.stack for look in sampler.seen()), wall_s)
            profile = replace(profile, lines=lines, notes=notes)
        self._result = profile
        return profile


def _profile(sampler: ThreadSampler, wall_s: float, cpu_s: float) -> CpuProfile:
    seen = sampler.seen()
    labels = _Labels(seen)
    moments = [Moments(labels.paths(look), look.time_s, look.samples) for look in seen]
    functions, stacks = functions_and_stacks([m for m in moments if m.paths])
    attributed_s = sum(m.time_s for m in moments if m.paths)
    wall_s = max(wall_s, attributed_s)
    samples = sum(look.samples for look in seen)
    every = f", one each {wall_s / samples * 1000:.1f} ms" if samples else ""
    return CpuProfile(
        f"sampling, {counted(samples, 'sample')}{every}, this thread",
        wall_s * 1000,
        attributed_s * 1000,
        cpu_s * 1000,
        functions,
        tuple(_notes(sampler, seen, moments, wall_s)),
        counts="samples",
        stacks=stacks,
    )


def _notes(sampler: ThreadSampler, seen: list[Seen], moments: list[Moments], wall_s: float) -> Iterable[str]:
    both = list(zip(seen, moments, strict=True))
    waited_s = sum(look.time_s for look, m in both if look.is_idle and m.paths)
    idle_s = sum(look.time_s for look, m in both if look.is_idle and not m.paths)
    own_s = sum(look.time_s for look, m in both if not look.is_idle and not m.paths and _is_own(look))
    known_s = sum(m.time_s for m in moments if m.paths)
    rest_s = wall_s - known_s - idle_s - own_s
    samples = sum(look.samples for look in seen)
    if samples < _FEW:
        only = counted(samples, "sample")
        yield f"Only {only}: the shares are rough. For a short block use the cProfile engine."
    if _matters(waited_s, wall_s):
        yield (
            f"{_ms(waited_s)} of it waiting at an await. Coroutines that waited at once share it as own "
            "time; the cumulative time of each is how long it waited itself."
        )
    for part_s, what in (
        (idle_s, "waiting at an await, of what could not be seen"),
        (own_s, "perfkit's own recording of the block"),
        (rest_s, "IPython, the event loop, and after the last sample"),
    ):
        if _matters(part_s, wall_s):
            yield f"{_ms(part_s)} not attributed: {what}."
    if sampler.longest_gap_s > _LONG_GAP_S:
        yield (
            f"{_ms(sampler.longest_gap_s)} passed between two samples: C code or another thread held the "
            "interpreter. That time is given to what ran when it ended, or shortly after."
        )
    if sampler.is_biased:
        yield _BIASED
    yield _BUILT_INS


class _Labels:
    """Code objects to labels, with the statements of a cell told apart by their lines."""

    def __init__(self, seen: list[Seen]) -> None:
        codes = {id(code): code for look in seen for path in (look.stack, *look.waiting) for code in path}
        statements = [code for code in codes.values() if code.co_name == "<module>"]
        by_file: dict[str, int] = {}
        for code in statements:
            by_file[code.co_filename] = by_file.get(code.co_filename, 0) + 1
        self._by_statement = {file for file, rows in by_file.items() if is_statement_file(file, rows)}
        self._known: dict[int, Label] = {}

    def paths(self, look: Seen) -> tuple[LabelPath, ...]:
        """The paths of a look from the block down; none for time that is not the block's."""
        if _is_own(look):
            return ()
        stack = self._visible(look.stack)
        if not look.is_idle:
            return (stack,) if stack else ()
        chains = {without_repeats((*stack, *self._visible(chain))) for chain in look.waiting}
        return tuple(chain for chain in chains if chain) or ((stack,) if stack else ())

    def _visible(self, path: CodePath) -> LabelPath:
        kept: list[CodeType] = []
        for code in path:
            if (kept or origin(code.co_filename) != "host") and not _is_loop_step(code):
                kept.append(code)
        return without_repeats(self._label(code) for code in kept)

    def _label(self, code: CodeType) -> Label:
        found = self._known.get(id(code))
        if found is None:
            found = self._known[id(code)] = label_of(code, self._by_statement)
        return found


def _is_loop_step(code: CodeType) -> bool:
    """Frames of the event loop that stand between a caller of it and what it runs."""
    file = code.co_filename
    return origin(file) == "host" and file.endswith((*_LOOP_FILES, "selectors.py", "windows_events.py"))


def _is_own(look: Seen) -> bool:
    return any(origin(code.co_filename) == "own" for code in look.stack)


def _matters(part_s: float, wall_s: float) -> bool:
    return part_s > max(_WORTH_A_NOTE * wall_s, _WORTH_A_NOTE_S)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
