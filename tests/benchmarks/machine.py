"""The machine that the numbers belong to, in one line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe() -> str:
    """CPU model, cores, Python, system and SQLAlchemy, and how busy the machine was at the start."""
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return (
        f"{_cpu()}, {os.cpu_count()} cores; {platform.python_implementation()} {platform.python_version()}; "
        f"{_system()}; SQLAlchemy {version('sqlalchemy')}, psycopg {version('psycopg')}{load}"
    )


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        name = platform.system()
    return f"{name}, kernel {platform.release()}"
