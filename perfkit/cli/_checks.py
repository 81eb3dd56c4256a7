"""The checks of `perfkit doctor`. Each tries the thing itself, and none ends the others."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

OK, NOTE, FAIL = "ok", "note", "FAIL"
_OLDEST_PYTHON = (3, 11)
# Sample data at full scale take 0.8 GB, a clone of them for each open notebook as much again.
_ENOUGH_DISK_BYTES = 4e9
_PROBE = "import sys; sys.version_info[:3]"


@dataclass(frozen=True, slots=True)
class Check:
    """What was tried, how it went, and what to do about it."""

    name: str
    state: str
    found: str
    remedy: str = ""


def check_all() -> tuple[Check, ...]:
    """Try everything that perfkit needs on this machine."""
    checks: tuple[Callable[[], Check | Iterable[Check]], ...] = (
        _python,
        _packages,
        _kernel,
        _cache,
        _disk,
        _server,
        _cpu_profile,
        _memory_peak,
    )
    found: list[Check] = []
    for check in checks:
        result = _tried(check)
        found.extend([result] if isinstance(result, Check) else result)
    return tuple(found)


def _tried(check: Callable[[], Check | Iterable[Check]]) -> Check | Iterable[Check]:
    try:
        return check()
    except Exception as error:
        # A doctor who faints helps nobody: whatever a check meets is what it found.
        name = check.__name__.strip("_").replace("_", " ")
        return Check(
            name, FAIL, f"{type(error).__name__}: {error}", "Install perfkit again: pip install perfkit"
        )


def _python() -> Check:
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    if sys.version_info[:2] < _OLDEST_PYTHON:
        return Check("Python", FAIL, found, "Use Python 3.11 or later.")
    return Check("Python", OK, found)


def _packages() -> Check:
    from packaging.requirements import Requirement

    missing, wrong, count = [], [], 0
    for text in requires("perfkit") or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} (needs {requirement.specifier})")
    if missing or wrong:
        return Check(
            "packages",
            FAIL,
            ", ".join([*(f"{name} is missing" for name in missing), *wrong]),
            "Install them again: pip install --upgrade perfkit",
        )
    named = ("jupyterlab", "sqlalchemy", "psycopg", "pandas", "snakeviz", "memory-profiler")
    return Check("packages", OK, f"all {count}: " + ", ".join(f"{name} {version(name)}" for name in named))


def _kernel() -> Check:
    import nbformat

    from perfkit.runner import RunError, run_notebook

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(_PROBE)])
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = run_notebook(notebook, Path(folder), timeout_s=30)
    except RunError as error:
        return Check("Jupyter kernel", FAIL, str(error), "Install it again: pip install --upgrade ipykernel")
    failure = done.metadata["perfkit"]["failure"]
    if failure:
        return Check(
            "Jupyter kernel",
            FAIL,
            f"{failure['name']}: {failure['message']}",
            "pip install --upgrade ipykernel",
        )
    return Check("Jupyter kernel", OK, f"starts and runs a cell (ipykernel {version('ipykernel')})")


def _cache() -> Check:
    from perfkit.lab import LabError
    from perfkit.lab.paths import home

    try:
        return Check("cache folder", OK, f"{home()} can be written")
    except LabError as error:
        return Check("cache folder", FAIL, str(error), "Set PERFKIT_HOME to a folder that you can write to.")


def _disk() -> Check:
    from perfkit.lab.paths import home

    free = shutil.disk_usage(home()).free
    found = f"{free / 1e9:.1f} GB free"
    if free < _ENOUGH_DISK_BYTES:
        return Check(
            "disk",
            NOTE,
            found,
            "The full sample data and their clones need 4 GB. Free some, set PERFKIT_HOME to a larger disk, "
            "or use --scale small.",
        )
    return Check("disk", OK, found)


def _server() -> Check:
    from perfkit.lab import LabError, info, stop

    try:
        found = info()
        stop()
    except LabError as error:
        return Check(
            "PostgreSQL",
            FAIL,
            str(error),
            "Use your own server: perfkit tour --database-url postgresql://...",
        )
    return Check(
        "PostgreSQL", OK, f"starts and answers; {len(found.databases)} databases of the lab in {found.where}"
    )


def _cpu_profile() -> Check:
    if tuple(sys.version_info) < (3, 12):
        return Check("CPU profile", OK, "cProfile sees the block's own thread")
    return Check(
        "CPU profile",
        OK,
        "cProfile of Python 3.12 and later mixes all threads; perfkit confines it to the block's",
    )


def _memory_peak() -> Check:
    from perfkit.capture.rss import reset_high_water

    if reset_high_water():
        return Check("memory peak", OK, "exact, from the system's own high-water mark")
    return Check(
        "memory peak", NOTE, "sampled every few milliseconds: this system keeps no mark that can be reset"
    )
