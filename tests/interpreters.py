"""The other Pythons of this machine, each with perfkit's wheel in an environment of its own.

An environment takes a minute to install, so all tests of one run share it, whatever process they run in.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from perfkit.lab.guard import FileLock
from perfkit.lab.progress import waiting_for

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
# For parameters: what needs one environment runs in one process, or the others would wait until it is there.
EACH_VERSION = [
    pytest.param(v, marks=pytest.mark.xdist_group(f"python-{v}"), id=f"Python {v}") for v in VERSIONS
]
_DONE = "installed"


def interpreter(version: str) -> str | None:
    """A Python of this version that really starts: a shim of a version manager may be there and refuse."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [
        shutil.which(f"python{version}"),
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    return next((str(found) for found in filter(None, candidates) if _starts(str(found))), None)


def _starts(python: str) -> bool:
    command = [python, "-c", "import venv, ssl"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build_wheel(folder: Path) -> Path:
    """Build the package's wheel in an empty folder."""
    options = ("--quiet", "--no-deps", "--wheel-dir", str(folder))
    command = [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def environment(version: str, shared: pytest.TempPathFactory) -> Path | None:
    """The folder with the programs of an environment that holds the wheel and what it needs, nothing else.

    Args:
        version: such as `3.12`.
        shared: of the session; its folder's parent belongs to all processes of one run.

    Returns:
        `None` where this machine has no such Python.
    """
    python = interpreter(version)
    return None if python is None else _environment(f"python-{version}", python, shared)


def environment_with(packages: tuple[str, ...], shared: pytest.TempPathFactory) -> Path:
    """The folder with the programs of an environment of this Python that holds these packages alone."""
    return _environment("-".join(packages), sys.executable, shared, packages)


def _environment(
    name: str, python: str, shared: pytest.TempPathFactory, packages: tuple[str, ...] = ()
) -> Path:
    base = shared.getbasetemp()
    run = base.parent if base.name.startswith("popen-") else base
    folder = run / name
    with waiting_for(FileLock(run / f"{name}.lock"), "Another process makes this environment"):
        if not (folder / _DONE).exists():
            subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
            _install(folder, packages)
    return Path(venv.EnvBuilder().ensure_directories(folder).bin_path)


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    python = Path(venv.EnvBuilder().ensure_directories(folder).bin_path) / "python"
    wheels = folder / "wheel"
    wheels.mkdir()
    wanted = packages or (str(build_wheel(wheels)),)
    # What is imported is compiled then; most of it never is.
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    subprocess.run([str(python), "-m", "pip", "install", *options, *wanted], check=True, capture_output=True)
    (folder / _DONE).touch()
