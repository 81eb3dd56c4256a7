"""Resident memory of this process: now, at its peak, and over time."""

import os
import subprocess
import sys
import time
from pathlib import Path

from perfkit.model.memory import RssSample

_CHILD = Path(__file__).with_name("rss_child.py")
_STOP_SECONDS = 5
# Where Linux tells of processes; elsewhere, and in some containers, there is no such folder.
PROC = Path("/proc")
# The reset is believed if the mark then stands within this of the resident size.
_RESET_SLACK_BYTES = 4_000_000


def resident_bytes() -> int:
    """Resident memory of this process in bytes (`VmRSS` on Linux, what psutil says elsewhere)."""
    value = _proc_status("VmRSS:")
    if value is not None:
        return value
    import psutil

    return int(psutil.Process().memory_info().rss)


def high_water_bytes() -> int | None:
    """The kernel's high-water mark of resident memory in bytes, `None` where the system keeps none.

    `VmHWM` on Linux, the peak working set on Windows, `ru_maxrss` elsewhere; since the process began, or
    since the last `reset_high_water`.
    """
    value = _proc_status("VmHWM:")
    if value is not None:
        return value
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_high_water() -> bool:
    """Lower the kernel's mark to the present size; only Linux can (`man 5 proc`, `clear_refs`).

    Returns:
        Whether the mark now counts from here.
    """
    try:
        descriptor = os.open(str(PROC / "self" / "clear_refs"), os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(descriptor, b"5")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    mark, resident = _proc_status("VmHWM:"), _proc_status("VmRSS:")
    return mark is not None and resident is not None and mark - resident < _RESET_SLACK_BYTES


def _proc_status(field: str) -> int | None:
    try:
        with (PROC / "self" / "status").open(encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(field):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


class PeakMeter:
    """The highest resident size between start and stop, as the kernel saw it: exact, and free.

    Where the mark cannot be reset it is still exact if it rose meanwhile. Meters may nest or overlap: one
    that resets the mark first hands its height to those that are open. The mark is the process's, so after a
    measurement `ru_maxrss` counts from there too.
    """

    _open: "list[PeakMeter]" = []  # noqa: RUF012 - shared on purpose: the kernel keeps one mark a process

    def __init__(self) -> None:
        self._before: int | None = None
        self._seen = 0
        self._is_reset = False

    def start(self) -> None:
        """Begin; the last thing to do before the block."""
        mark = high_water_bytes()
        for meter in PeakMeter._open:
            meter._seen = max(meter._seen, mark or 0)
        self._seen, self._is_reset = 0, reset_high_water()
        self._before = high_water_bytes()
        PeakMeter._open.append(self)

    def lap(self) -> int | None:
        """The peak since the start or the last lap, in bytes; `None` where the kernel cannot tell."""
        mark = high_water_bytes()
        if mark is None or not self._is_reset:
            return None
        for meter in PeakMeter._open:
            meter._seen = max(meter._seen, mark)
        self._is_reset = reset_high_water()
        return mark

    def stop(self) -> int | None:
        """End; the first thing to do after the block.

        Returns:
            The peak in bytes, `None` if the kernel cannot tell.
        """
        if self in PeakMeter._open:
            PeakMeter._open.remove(self)
        mark = high_water_bytes()
        if mark is None or self._before is None:
            return None
        peak = max(mark, self._seen)
        return peak if self._is_reset or peak > self._before else None


class RssSampler:
    """Resident memory over time, read by a small process of its own every 2 to 10 ms.

    A peak that lasts less than 10 ms can be missed; C code that holds the GIL cannot hide one.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._start_s = 0.0

    def start(self) -> str | None:
        """Start the sampling process and wait until it is ready.

        Returns:
            Why there will be no samples, `None` if there will.
        """
        problem = "the sampling process could not be started"
        executable = sys.executable or ""
        # An application that embeds Python names itself here, and must not be started a second time.
        if "py" not in Path(executable).name.lower():
            return problem
        flags = ["-I", "-S"] if (PROC / "self" / "statm").exists() else ["-I"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own file
                [executable, *flags, str(_CHILD), str(os.getpid()), str(PROC)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C and a kernel's interrupt go to the whole group
            )
        except OSError:
            return problem
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.stop()
            return problem
        self._start_s = time.monotonic()
        return None

    def stop(self) -> tuple[RssSample, ...]:
        """Stop the process, whatever happened to it.

        Returns:
            Its samples, in milliseconds since the start.
        """
        process, self._process = self._process, None
        if process is None:
            return ()
        try:
            output, _ = process.communicate(b"x", timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            output = b""
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return tuple(self._read(output))

    def _read(self, output: bytes) -> "list[RssSample]":
        pairs = (line.split() for line in output.decode("ascii").splitlines())
        samples = (RssSample((float(time_s) - self._start_s) * 1000, int(rss)) for time_s, rss in pairs)
        return [sample for sample in samples if sample.time_ms >= 0]
