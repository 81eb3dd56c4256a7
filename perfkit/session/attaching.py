"""A record of a running process, as a result that shows itself."""

import datetime

from perfkit.capture import py_spy
from perfkit.capture.py_spy import PySpyError
from perfkit.model.trace import Trace
from perfkit.session.result import Result


def record_process(pid: int, *, duration_s: float = 5.0) -> Result:
    """Record a running Python process by py-spy; it is not changed and runs on.

    Args:
        pid: its number.
        duration_s: for how long, in seconds; at most 600.

    Returns:
        A result with the same tables and charts as a profile; its threads stand apart.

    Raises:
        PySpyError: if py-spy is not installed, may not read the process, or finds no Python in it.
        ValueError: if the duration is out of bounds.
    """
    if not 0 < duration_s <= py_spy.LONGEST_S:
        raise ValueError(f"Give a duration of up to {py_spy.LONGEST_S} seconds.")
    start_time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    profile = py_spy.record(pid, duration_s)
    return Result(Trace(f"process {pid}", start_time, duration_s * 1000, cpu=profile), "cpu")


__all__ = ["PySpyError", "record_process"]
