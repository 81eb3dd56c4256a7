"""Memory of one block: the resident peak and curve, and what Python requested, line by line."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from perfkit.capture.allocations import (
    Allocations,
    AllocationTracer,
    largest_changes,
    return_free_memory,
)
from perfkit.capture.named_functions import Measurable
from perfkit.capture.native import NativeRecorder
from perfkit.capture.repeats import repeat
from perfkit.capture.retention import RetentionWatch
from perfkit.capture.rss import PeakMeter, RssSampler, resident_bytes
from perfkit.capture.statement_memory import StatementMeter
from perfkit.model.memory import LineMemory, MemoryProfile, RssSample
from perfkit.model.native import NativeProfile
from perfkit.model.retention import Retention

if TYPE_CHECKING:
    from perfkit.capture.line_memory import LineMemoryRecorder

_GROWTH_LEFT_OUT = (
    "Growth by line was left out: tracing it would add to the sizes measured line by line. "
    "Name no function to have it."
)


class MemoryCollector:
    """Measures the memory of a block between `start()` and `stop()`, and leaves nothing behind.

    Garbage is collected before and after the block (unless the user switched the collector off), so that what
    was kept is what something still refers to, not what Python has yet to tidy up.

    Args:
        trace_allocations: trace what Python requests, by line, and look for what stays. It slows
            object-building code 2 to 6 times, and tracemalloc's tables (about 90 bytes a block) then stand in
            the resident peak and curve; without it the resident peak is exact.
        sample_over_time: record resident memory over time by a small process of its own. Where the kernel
            cannot tell the peak, the highest sample stands in for it.
        functions: functions to measure line by line with memory-profiler; see `named_functions.functions_in`.
            Allocations are then not traced: the tables would count as memory of the measured lines.

        native: record the allocations of C code too, by memray, which must be installed.

    Raises:
        TypeError: if one of `functions` has no Python code to measure.
    """

    def __init__(
        self,
        *,
        trace_allocations: bool = True,
        sample_over_time: bool = True,
        functions: Sequence[Measurable] = (),
        native: bool = False,
    ) -> None:
        self._tracer = AllocationTracer() if trace_allocations and not functions else None
        self._is_growth_left_out = trace_allocations and bool(functions)
        self._sampler = RssSampler() if sample_over_time else None
        self._native = NativeRecorder() if native else None
        self._meter = PeakMeter()
        self._statements = StatementMeter(self._meter, self._tracer)
        self._recorder = _line_recorder(functions)
        self._retention = RetentionWatch() if trace_allocations else None
        self._traced = Allocations()
        self._baseline_bytes = 0
        self._start_s = 0.0
        self._notes: list[str] = []

    def start(self) -> None:
        """Begin measuring. Whatever fails, nothing is left running."""
        self._notes = [_GROWTH_LEFT_OUT] if self._is_growth_left_out else []
        _collect_garbage()
        try:
            self._start_parts()
        except BaseException:
            self._abandon()
            raise

    def _start_parts(self) -> None:
        problem = self._sampler.start() if self._sampler else None
        if problem:
            self._notes.append(f"Resident memory over time was not recorded: {problem}.")
        if self._recorder:
            self._recorder.start()
        if self._retention:
            self._retention.start()
            return_free_memory()
        resident_bytes()  # the first call imports, which must not be traced
        if self._tracer:
            self._tracer.start()
        if self._native:
            self._native.start()
        self._baseline_bytes = resident_bytes()
        self._start_s = time.monotonic()
        self._meter.start()

    def mark(self, file_path: str, line_number: int) -> None:
        """A statement of the block begins here; what memory it takes is then told by itself.

        Args:
            file_path: `co_filename` of the block's code.
            line_number: where the statement begins.
        """
        self._statements.mark(file_path, line_number)

    def stop(self) -> MemoryProfile:
        """End measuring.

        Returns:
            What was measured; parts that were not measured are `None` or empty, and a note says why.
        """
        if self._recorder:
            self._recorder.stop()
        if self._native:
            self._native.halt()
        self._statements.close()
        kernel_peak = self._meter.stop()
        duration_ms = (time.monotonic() - self._start_s) * 1000
        last_sample = RssSample(duration_ms, resident_bytes())
        if self._tracer:
            self._tracer.read_peak()
        try:
            samples = self._sampler.stop() if self._sampler else ()
            profile = self._end_state(kernel_peak, (*samples, last_sample))
        except BaseException:
            self._abandon()
            raise
        retention = self._kept()  # before source files are read, which stay in memory
        return replace(
            profile,
            lines=self._lines(),
            native=self._native_profile(),
            retention=retention,
            growth=largest_changes(self._traced.changes),
            statements=self._statements.statements(self._start_s, self._baseline_bytes),
            notes=(*profile.notes, *self._notes),
        )

    def repeated(self, profile: MemoryProfile, run: Callable[[], object], times: int) -> MemoryProfile:
        """Run the block again after `stop`; adds what memory held after each run to what was measured."""
        repeats = repeat(run, times, self._retention)
        retention = self._retention.retention() if self._retention and profile.retention else None
        return replace(profile, repeats=repeats, retention=retention)

    def _end_state(self, kernel_peak: int | None, samples: tuple[RssSample, ...]) -> MemoryProfile:
        tracer_bytes = tracemalloc.get_tracemalloc_memory() if self._tracer else None
        garbage_bytes = self._drop_garbage()
        self._traced = traced = self._tracer.stop() if self._tracer else Allocations()
        source: Literal["kernel", "sampled"] = "kernel" if kernel_peak is not None else "sampled"
        peak = kernel_peak or max(sample.rss_bytes for sample in samples)
        return MemoryProfile(
            baseline_bytes=self._baseline_bytes,
            peak_bytes=max(peak, self._baseline_bytes),
            end_bytes=resident_bytes(),
            peak_source=source,
            rss_samples=self._curve(samples) if self._sampler else (),
            traced_peak_bytes=traced.peak_bytes,
            traced_growth_bytes=traced.growth_bytes,
            tracer_bytes=tracer_bytes,
            garbage_bytes=garbage_bytes,
            notes=traced.notes,
        )

    def _curve(self, samples: tuple[RssSample, ...]) -> tuple[RssSample, ...]:
        end_ms = samples[-1].time_ms
        inside = (sample for sample in samples[:-1] if 0 < sample.time_ms < end_ms)
        return (RssSample(0.0, self._baseline_bytes), *inside, samples[-1])

    def _drop_garbage(self) -> int | None:
        """Collect what the block left in reference cycles; its bytes, if they are traced."""
        if not gc.isenabled():
            self._notes.append(
                "Python's garbage collector is switched off: garbage in reference cycles counts as kept."
            )
            return None
        self._notes.append("Garbage was collected before and after the block.")
        before, _ = tracemalloc.get_traced_memory()
        _collect_garbage()
        after, _ = tracemalloc.get_traced_memory()
        return max(0, before - after) if self._tracer else None

    def _kept(self) -> Retention | None:
        """Last of all: looking at every object moves memory, and must be in no other number."""
        try:
            return self._retention.stop() if self._retention else None
        except Exception as error:
            self._notes.append(f"What stays could not be told: {type(error).__name__} in perfkit. {error}")
            return None

    def _native_profile(self) -> NativeProfile | None:
        if self._native is None:
            return None
        self._notes.append(
            "memray's own memory is part of the resident sizes; measure without --native for those."
        )
        try:
            return self._native.stop()
        except Exception as error:
            self._notes.append(f"memray's recording could not be read: {type(error).__name__}: {error}")
            return None

    def _lines(self) -> tuple[LineMemory, ...]:
        if self._recorder is None:
            return ()
        self._notes.extend(self._recorder.notes())
        return self._recorder.lines()

    def _abandon(self) -> None:
        if self._native:
            self._native.discard()
        if self._recorder:
            self._recorder.stop()
        self._meter.stop()
        if self._sampler:
            self._sampler.stop()
        if self._tracer:
            self._tracer.abandon()


def _collect_garbage() -> None:
    if gc.isenabled():
        gc.collect()


def _line_recorder(functions: Sequence[Measurable]) -> "LineMemoryRecorder | None":
    if not functions:
        return None
    from perfkit.capture.line_memory import LineMemoryRecorder  # memory_profiler takes 100 ms to import

    return LineMemoryRecorder(functions)
