"""The peers, each from PyPI, in an environment of their own beside perfkit's dependencies."""

import hashlib
import json
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.processes import ROOT

HOME = ROOT / ".cache" / "bench-peers"
_SHARED = ("sqlalchemy", "psycopg", "psycopg-binary", "sqlglot", "numpy", "psutil", "greenlet", "snakeviz")
# sqlalchemy-easy-profile asks for SQLAlchemy below 2.1; so that all are measured on one, it is forced.
_PEERS = {
    "queryspy": (),
    "pytest-queryguard": (),
    "pytest-querycount": (),
    "sqltap": (),
    "sqlalchemy-easy-profile": ("--no-deps",),
    "pyinstrument": (),
    "memray": (),
    "memory-profiler": (),
}


@dataclass(frozen=True)
class Peers:
    """The interpreter of their environment; by peer, the version or why it is not there."""

    python: Path
    versions: dict[str, str]
    reasons: dict[str, str]


def install() -> Peers:
    """Make the environment unless it is there and still right.

    Raises:
        subprocess.CalledProcessError: if not even perfkit's own dependencies install.
    """
    shared = [f"{name}=={version(name)}" for name in _SHARED]
    key = hashlib.sha256(json.dumps([shared, sys.version, _PEERS]).encode()).hexdigest()
    state_file = HOME / "state.json"
    if not state_file.exists() or json.loads(state_file.read_text(encoding="utf-8"))["key"] != key:
        print(f"Installing the peers into {HOME} (once) ...", flush=True)
        reasons = _make(shared)
        state_file.write_text(json.dumps({"key": key, "reasons": reasons}), encoding="utf-8")
    reasons = json.loads(state_file.read_text(encoding="utf-8"))["reasons"]
    return Peers(_python(), _versions(), reasons)


def _python() -> Path:
    return HOME / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _make(shared: list[str]) -> dict[str, str]:
    shutil.rmtree(HOME, ignore_errors=True)
    venv.create(HOME, with_pip=True)
    _pip("pytest", *shared).check_returncode()
    reasons = {}
    for peer, options in _PEERS.items():
        done = _pip(peer, *options)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
            reasons[peer] = (lines or ["pip could not install it"])[-1]
    return reasons


def _pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _versions() -> dict[str, str]:
    code = (
        "import importlib.metadata as m, json; print(json.dumps("
        "{d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}))"
    )
    done = subprocess.run([str(_python()), "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {peer: found[peer] for peer in _PEERS if peer in found}
