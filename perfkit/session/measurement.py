"""Measuring one block: collectors start and stop around it, whatever happens in it."""

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from perfkit.capture.auto_explain import AutoExplainCollector, Captured
from perfkit.capture.cpu import CpuCollector
from perfkit.capture.memory import MemoryCollector
from perfkit.capture.plans import captured_plans, explain_samples, unasked
from perfkit.capture.queries import QueryCollector, QueryLog
from perfkit.capture.sampling import SamplingCollector
from perfkit.model.connection import TransactionCounts
from perfkit.model.cpu import CpuProfile
from perfkit.model.finding import Diagnosis
from perfkit.model.memory import MemoryProfile
from perfkit.model.plan import Plan
from perfkit.model.trace import Trace
from perfkit.model.what_if import Proof
from perfkit.session.proving import prove_samples
from perfkit.session.result import Result
from perfkit.views.block import Focus

if TYPE_CHECKING:
    import pandas


PlanMode = bool | Literal["auto", "prove"]


class MeasurementNotEndedError(RuntimeError):
    """The block is still running, so there is nothing to read yet."""


class Measurement:
    """A block while it is measured; afterwards its `result`, `trace` and `diagnosis`.

    Made by `measure`. A sync and an async context manager. The magics call `start`, `seal` and `stop`
    themselves, because a cell is no `with` block.
    """

    def __init__(
        self,
        name: str,
        *,
        queries: QueryCollector | None,
        cpu: CpuCollector | SamplingCollector | None,
        memory: MemoryCollector | None,
        plans: PlanMode,
        confirm: bool,
        focus: Focus,
        target_ms: float | None,
    ) -> None:
        self.name = name
        self.focus: Focus = focus
        self.target_ms = target_ms
        self._queries, self._cpu, self._memory, self._plans = queries, cpu, memory, plans
        self._auto = AutoExplainCollector() if plans == "auto" else None
        self._confirm = confirm
        # The profiler innermost, statements outermost: what the others do is in no profile and no peak.
        self._running: list[Any] = []
        self._stopped: dict[object, Any] = {}
        self._notes: list[str] = []
        self._start_time = ""
        self._start = 0.0
        self._duration_ms: float | None = None
        self._result: Result | None = None

    def start(self) -> None:
        """Start the collectors, then the clock.

        Raises:
            CpuProfilerBusyError: if another profiler holds the interpreter. Nothing is left running.
        """
        self._start_time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        try:
            for collector in (self._auto, self._queries, self._memory, self._cpu):
                if collector is not None:
                    collector.start()
                    self._running.append(collector)
        except BaseException:
            self._stop_collectors()
            raise
        self._start = perf_counter()

    def mark(self, file_path: str, line_number: int) -> None:
        """A statement of the block begins: its memory is told by itself, if memory is measured."""
        if self._memory is not None and self._memory in self._running:
            self._memory.mark(file_path, line_number)

    def defined(self, function: object) -> None:
        """The block has defined a function: it is timed line by line, if that was asked for."""
        if isinstance(self._cpu, SamplingCollector):
            self._cpu.add(function)

    def seal(self) -> None:
        """Stop the clock and the collectors; what comes after is not part of the block. Idempotent."""
        if self._duration_ms is None:
            self._duration_ms = (perf_counter() - self._start) * 1000
            self._stop_collectors()

    def repeat(self, run: Callable[[], object], times: int) -> None:
        """Run the block again after `seal`, to see whether its memory grows.

        Args:
            run: runs it once.
            times: how often.
        """
        profile = self._stopped.get(self._memory)
        if self._memory is not None and profile is not None:
            self._stopped[self._memory] = self._memory.repeated(profile, run, times)

    def stop(self, error: BaseException | None = None) -> None:
        """Finish: ask for the plans, put the trace together. Never raises into the user's code.

        Args:
            error: the exception that ended the block; only the name of its type is kept.
        """
        self.seal()
        if self._result is None:
            self._result = Result(self._trace(error), self.focus, self.target_ms)

    @property
    def result(self) -> Result:
        """The finished block; raises `MeasurementNotEndedError` while it runs."""
        if self._result is None:
            raise MeasurementNotEndedError(
                f"The block {self.name!r} has not ended yet. Read the result after the `with` block."
            )
        return self._result

    @property
    def trace(self) -> Trace:
        """What was measured."""
        return self.result.trace

    @property
    def diagnosis(self) -> Diagnosis:
        """Findings, worst first, and the verdict of every rule."""
        return self.result.diagnosis

    def queries_frame(self) -> "pandas.DataFrame":
        """One row a statement, times in milliseconds; parameter values only if they were asked for."""
        return self.result.queries_frame()

    def frame(self) -> "pandas.DataFrame":
        """One row a function of the profile; raises `LookupError` if no function times were measured."""
        return self.result.frame()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __str__(self) -> str:
        return str(self._result) if self._result else f"perfkit: {self.name} is still running"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        if self._result is None:
            return {"text/plain": str(self)}
        return self._result._repr_mimebundle_(include, exclude)

    def _stop_collectors(self) -> None:
        if self._cpu is not None:
            # Putting the profile together, below, must not count as the block's memory.
            self._stop_one(self._cpu, self._cpu.halt)
        for collector in (self._memory, self._cpu, self._queries, self._auto):
            if collector is not None and collector in self._running:
                self._running.remove(collector)
                since = {"since": self._start} if collector is self._queries else {}
                self._stopped[collector] = self._stop_one(collector, partial(collector.stop, **since))

    def _stop_one(self, collector: object, stop: Callable[[], Any]) -> Any:
        try:
            return stop()
        except Exception as error:
            part = type(collector).__name__.removesuffix("Collector").lower()
            self._notes.append(f"The {part} part was lost: {type(error).__name__} in perfkit. {error}")
            return None

    def _asked_plans(self, log: QueryLog) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
        captured: Captured | None = self._stopped.get(self._auto)
        asked = explain_samples(log.samples) if captured is None else captured_plans(log.samples, captured)
        return asked[0], (*asked[1], *unasked(log.spans))

    def _proofs(self, log: QueryLog | None, plans: Sequence[Plan] | None) -> tuple[Proof, ...] | None:
        if log is None or self._plans != "prove":
            return None
        return prove_samples(log.samples, plans or (), confirmed=self._confirm)

    def _trace(self, error: BaseException | None) -> Trace:
        log: QueryLog | None = self._stopped.get(self._queries)
        cpu: CpuProfile | None = self._stopped.get(self._cpu)
        memory: MemoryProfile | None = self._stopped.get(self._memory)
        plans, plan_notes = self._asked_plans(log) if log and self._plans else (None, ())
        return Trace(
            name=self.name,
            start_time=self._start_time,
            duration_ms=self._duration_ms or 0.0,
            queries=log.spans if log else None,
            transactions=log.transactions if log else None,
            pool=log.pool if log else None,
            plans=plans,
            proofs=self._proofs(log, plans),
            cpu=cpu,
            memory=memory,
            error=type(error).__name__ if error is not None else None,
            more_queries=log.more if log else (),
            more_transactions=log.more_transactions if log else TransactionCounts(),
            background_queries=log.background if log else (),
            more_background_queries=log.more_background if log else (),
            stalled_ms=log.stalled_ms if log else None,
            notes=(*self._notes, *(log.notes if log else ()), *plan_notes),
        )
