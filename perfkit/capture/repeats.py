"""A block run again and again, with what memory holds after each run."""

import contextlib
import gc
import io
import tracemalloc
from collections.abc import Callable

from perfkit.capture.retention import RetentionWatch
from perfkit.capture.rss import resident_bytes
from perfkit.model.memory_growth import Iteration, Repeats


class _Nowhere(io.TextIOBase):
    """What is printed here is gone: kept, it would be growth."""

    def write(self, text: str) -> int:
        return len(text)


def repeat(run: Callable[[], object], times: int, watch: RetentionWatch | None) -> Repeats:
    """Run a block again, and read memory after each run and a collection of garbage.

    Args:
        run: runs it once; what it prints is not shown.
        times: how often.
        watch: is told to look at containers and caches after each run.

    Returns:
        The readings; an error or an interrupt of the block ends the repeats and is named.
    """
    iterations: list[Iteration] = []
    is_ours = not tracemalloc.is_tracing()
    if is_ours:
        tracemalloc.start(1)
    stopped_by = None
    try:
        held, resident = _read()
        for _ in range(times):
            stopped_by = _run(run)
            if stopped_by or not tracemalloc.is_tracing():
                break
            now_held, now_resident = _read()
            iterations.append(Iteration(now_held - held, now_resident - resident))
            if watch is not None:
                watch.read_again()
    finally:
        if is_ours and tracemalloc.is_tracing():
            tracemalloc.stop()
    if len(iterations) < times and stopped_by is None:
        stopped_by = "the cell stopped tracemalloc"
    return Repeats(tuple(iterations), times, stopped_by)


def _run(run: Callable[[], object]) -> str | None:
    """What ended the run early, if anything did."""
    nowhere = _Nowhere()
    try:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            run()
    except KeyboardInterrupt:
        return "an interrupt"
    except SystemExit:
        return "SystemExit in the cell"
    except Exception as error:
        return f"{type(error).__name__} in the cell"
    return None


def _read() -> tuple[int, int]:
    if gc.isenabled():
        gc.collect()
    return tracemalloc.get_traced_memory()[0], resident_bytes()
