"""Children of a benchmark: fresh interpreters that answer with one line of JSON."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class ChildError(RuntimeError):
    """A child ended with an error; the message is its last line."""


def ask(module: str, *arguments: str, python: str | Path = sys.executable, timeout_s: float = 1800) -> Any:
    """Run `tests.benchmarks.children.MODULE` in a fresh process.

    Args:
        module: the child's name.
        arguments: what stands on its command line.
        python: the interpreter, for another environment.
        timeout_s: when to give up, in seconds.

    Returns:
        What its last line of output says.

    Raises:
        ChildError: if it fails.
    """
    done = subprocess.run(
        [str(python), "-m", f"tests.benchmarks.children.{module}", *arguments],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise ChildError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def _environment() -> dict[str, str]:
    """One hash seed for all: the order of sets and dictionaries is no part of the comparison."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}


@dataclass(frozen=True)
class Cost:
    """What a process cost: time on the clock and on the CPU, in seconds."""

    wall_s: float
    cpu_s: float


def cost_of(command: list[str], folder: Path) -> Cost:
    """Run a command, let its output go, and return its cost.

    Raises:
        ChildError: if it fails.
    """
    code = (
        "import json, resource, subprocess, sys, time; t = time.perf_counter();"
        "p = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL);"
        "u = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(json.dumps([p.returncode, time.perf_counter() - t, u.ru_utime + u.ru_stime]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    status, wall_s, cpu_s = json.loads(done.stdout)
    if status:
        raise ChildError(f"{' '.join(command)} ended with {status}")
    return Cost(wall_s, cpu_s)


@contextmanager
def fresh_lab() -> Iterator[Path]:
    """A PERFKIT_HOME of its own; afterwards its server is down and its folder gone."""
    from perfkit.lab import paths, stop

    folder = Path(tempfile.mkdtemp(prefix="pkbench", dir="/tmp" if Path("/tmp").is_dir() else None))
    before = {name: os.environ.pop(name, None) for name in ("PERFKIT_HOME", "PERFKIT_DATABASE_URL")}
    os.environ["PERFKIT_HOME"] = str(folder)
    try:
        yield folder
    finally:
        used = paths.home()
        stop()
        for place in {used, folder}:
            shutil.rmtree(place, ignore_errors=True)
        del os.environ["PERFKIT_HOME"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
