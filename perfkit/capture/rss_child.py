"""Sample the resident memory of another process; a program of its own, started by `perfkit.capture.rss`.

A thread inside the measured process would starve while C code holds the GIL: it saw 4 of the 40 MB that
`list(range(1_000_000))` takes. This program has its own interpreter, and imports only the standard library
where `/proc` exists, so that it is up within some 10 ms.

Call: `python rss_child.py PID PROC`. It writes `ready`, samples until its standard input gets a byte or is
closed (which the measured process's death does too), then writes one line a sample: monotonic seconds, bytes.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

SAMPLE_LIMIT = 600  # as many as a picture 900 pixels wide can show
FIRST_INTERVAL_S = 0.002
LONGEST_INTERVAL_S = 0.010

Sample = tuple[float, int]


class SampleKeeper:
    """At most `SAMPLE_LIMIT` samples, evenly spread over however long the block takes.

    When there are too many, neighbours merge and the higher one stays: a curve of memory must not lose peaks.
    """

    def __init__(self, limit: int = SAMPLE_LIMIT) -> None:
        self.samples: list[Sample] = []
        self.interval_s = FIRST_INTERVAL_S
        self._limit = limit
        self._slot_start = float("-inf")

    def add(self, time_s: float, rss_bytes: int) -> None:
        """Take one reading.

        Args:
            time_s: on the monotonic clock.
            rss_bytes: resident memory then.
        """
        if time_s - self._slot_start < self.interval_s and self.samples:
            if rss_bytes > self.samples[-1][1]:
                self.samples[-1] = (time_s, rss_bytes)
            return
        self._slot_start = time_s
        self.samples.append((time_s, rss_bytes))
        if len(self.samples) > self._limit:
            self._thin()

    def _thin(self) -> None:
        pairs = range(0, len(self.samples), 2)
        self.samples = [max(self.samples[i : i + 2], key=lambda sample: sample[1]) for i in pairs]
        self.interval_s *= 2


def open_reader(pid: int, proc: str) -> Callable[[], int]:
    """A function that reads the resident memory of this process in bytes; it raises once that has ended.

    Args:
        pid: of the process.
        proc: where Linux tells of processes, such as `/proc`; where it is not, psutil is asked.
    """
    try:
        descriptor = os.open(f"{proc}/{pid}/statm", os.O_RDONLY)
    except OSError:
        return _psutil_reader(pid)
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    return lambda: int(os.pread(descriptor, 128, 0).split()[1]) * page_bytes


def _psutil_reader(pid: int) -> Callable[[], int]:
    import psutil

    process = psutil.Process(pid)
    return lambda: int(process.memory_info().rss)


def main() -> None:
    """Sample until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read = open_reader(int(sys.argv[1]), sys.argv[2])
    stopped = threading.Event()

    def wait_for_word() -> None:
        os.read(0, 1)
        stopped.set()

    threading.Thread(target=wait_for_word, daemon=True).start()
    keeper = SampleKeeper()
    os.write(1, b"ready\n")
    try:
        while not stopped.wait(min(keeper.interval_s, LONGEST_INTERVAL_S)):
            keeper.add(time.monotonic(), read())
    except Exception:  # noqa: S110 - the measured process ended; what psutil raises then differs by system
        pass
    try:
        sys.stdout.write("".join(f"{time_s!r} {rss}\n" for time_s, rss in keeper.samples))
        sys.stdout.flush()
    except OSError:
        os._exit(0)


if __name__ == "__main__":
    main()
