"""A look at the running frame each time the process has used some processor time.

A thread that wants to look needs the interpreter, and a thread that runs Python without a pause gives it away
just where it calls C code that lets go of it: a database driver, a file. Looks from another thread therefore
see such calls far more often than they run (100 % instead of 0.5 %, measured on a loop with one SELECT of
SQLite a millisecond). The kernel's profiling timer (`man 2 setitimer`, ITIMER_PROF) asks nobody: its signal
is handled between two instructions of whatever runs.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

# The kernel rounds it up to a tick of its own, 1 to 10 ms.
INTERVAL_S = 0.001
Look = Callable[[FrameType], None]
# Of one thread on Linux: nanoseconds on a processor, nanoseconds ready and waiting for one, turns.
_SCHEDULER = "/proc/self/task/{}/schedstat"


def cpu_ticks(look: Look) -> "CpuTicks | None":
    """Ticks for the thread that asks.

    Args:
        look: called with the frame that was running.

    Returns:
        `None` where there can be none: outside the main thread, without such a timer (Windows), without a
        clock for another thread's processor time (macOS), or while the program uses the signal itself.
    """
    if sys.platform == "win32" or not hasattr(time, "pthread_getcpuclockid"):
        return None
    if threading.current_thread() is not threading.main_thread():
        return None
    is_free = signal.getsignal(signal.SIGPROF) == signal.SIG_DFL
    return CpuTicks(look) if is_free and signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0) else None


class CpuTicks:
    """See `cpu_ticks`. Started and stopped by the main thread."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._is_looking = False

    def start(self) -> None:
        """Begin."""
        if sys.platform == "win32":
            return
        signal.signal(signal.SIGPROF, self._tick)
        signal.siginterrupt(signal.SIGPROF, False)  # the program's system calls go on as if nothing were
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def stop(self) -> None:
        """End, and leave the signal as it was found."""
        if sys.platform == "win32" or signal.getsignal(signal.SIGPROF) != self._tick:
            return
        signal.setitimer(signal.ITIMER_PROF, 0)
        with contextlib.suppress(ValueError):  # another thread ends the block; the signal comes no more
            # Ignoring it drops one that is on its way, whose default would end the process.
            signal.signal(signal.SIGPROF, signal.SIG_IGN)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def _tick(self, number: int, frame: FrameType | None) -> None:
        # One that comes while another is looked at would take its time, and see nothing but this method.
        if frame is None or self._is_looking or frame.f_code is _TICK:
            return
        self._is_looking = True
        try:
            self._look(frame)
        finally:
            self._is_looking = False


_TICK = CpuTicks._tick.__code__


class RunClock:
    """How long the thread that makes it has been running, or ready to run while others had the processor.

    What is left of the time on the wall, it has waited. Any thread may ask.
    """

    def __init__(self) -> None:
        self._clock = None if sys.platform == "win32" else time.pthread_getcpuclockid(threading.get_ident())
        try:
            self._scheduler = os.open(_SCHEDULER.format(threading.get_native_id()), os.O_RDONLY)
        except OSError:  # some containers do not say
            self._scheduler = -1

    def now_s(self) -> float:
        """Seconds since some point in the past."""
        if sys.platform == "win32" or self._clock is None:
            return 0.0
        used_s = time.clock_gettime(self._clock)
        if self._scheduler < 0:
            return used_s
        return used_s + int(os.pread(self._scheduler, 100, 0).split()[1]) / 1e9

    def close(self) -> None:
        """Let go of the kernel's file."""
        if self._scheduler >= 0:
            os.close(self._scheduler)
            self._scheduler = -1
