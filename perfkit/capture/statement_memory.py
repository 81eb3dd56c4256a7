"""Memory of each statement at the top level of a cell: read when the next one begins."""

import time
from dataclasses import dataclass

from perfkit.capture.allocations import AllocationTracer
from perfkit.capture.call_site import code_location
from perfkit.capture.rss import PeakMeter, resident_bytes
from perfkit.model.memory import StatementMemory


@dataclass(slots=True)
class _Open:
    """The statement that is running."""

    file_path: str
    line_number: int
    start_s: float


@dataclass(frozen=True, slots=True)
class _Ended:
    """A statement that has run, with what was read after it."""

    statement: _Open
    end_s: float
    rss_bytes: int
    peak_bytes: int | None
    traced: tuple[int, int] | None


class StatementMeter:
    """Reads resident and traced memory between statements; a reading takes about 0.1 ms.

    Args:
        meter: the peak of the whole block, which is told each statement's.
        tracer: what Python requests, if that is traced.
    """

    def __init__(self, meter: PeakMeter, tracer: AllocationTracer | None) -> None:
        self._meter, self._tracer = meter, tracer
        self._running: _Open | None = None
        self._ended: list[_Ended] = []

    def mark(self, file_path: str, line_number: int) -> None:
        """A statement begins, and the one before it has ended."""
        self.close()
        self._running = _Open(file_path, line_number, time.monotonic())

    def close(self) -> None:
        """The last statement has ended, in whatever way."""
        statement, self._running = self._running, None
        traced = self._tracer.lap() if self._tracer else None
        # Also before the first statement: what came before it must not count as its own.
        peak, end_s = self._meter.lap(), time.monotonic()
        if statement is not None:
            self._ended.append(_Ended(statement, end_s, resident_bytes(), peak, traced))

    def statements(self, start_s: float, baseline_bytes: int) -> tuple[StatementMemory, ...] | None:
        """The statements that ran, in order; `None` if none was marked.

        Args:
            start_s: when the block began, on the monotonic clock.
            baseline_bytes: resident memory then.
        """
        if not self._ended:
            return None
        return tuple(_statement(item, start_s, baseline_bytes) for item in self._ended)


def _statement(item: _Ended, start_s: float, baseline_bytes: int) -> StatementMemory:
    statement = item.statement
    held, peak = item.traced or (None, None)
    return StatementMemory(
        code_location(statement.file_path, statement.line_number, "<module>"),
        start_ms=(statement.start_s - start_s) * 1000,
        end_ms=(item.end_s - start_s) * 1000,
        end_bytes=item.rss_bytes - baseline_bytes,
        peak_bytes=None if item.peak_bytes is None else item.peak_bytes - baseline_bytes,
        traced_peak_bytes=peak,
        traced_end_bytes=held,
    )
