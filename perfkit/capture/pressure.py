"""How long work of this machine has waited for a processor, where the system tells: Linux, from 4.20 on."""

from pathlib import Path

# "some": microseconds since the start of the system during which at least one task was ready and did not run
# (the kernel's documentation, "PSI - Pressure Stall Information"). Reading it takes 5 µs.
_PRESSURE = Path("/proc/pressure/cpu")


def stalled_us() -> int | None:
    """Microseconds of stall since the system started; `None` where the system does not tell."""
    try:
        first_line = _PRESSURE.read_bytes().splitlines()[0]
        return int(first_line.rpartition(b"total=")[2])
    except (OSError, ValueError, IndexError):
        return None


def stalled_ms_since(start_us: int | None) -> float | None:
    """Milliseconds of stall since an earlier reading; `None` where one of the two is missing."""
    now_us = stalled_us()
    return None if now_us is None or start_us is None else (now_us - start_us) / 1000
