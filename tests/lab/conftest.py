import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_helpers import WAIT_S, servers_of

from perfkit.lab import stop

# A user of the lab in a process of its own: says "ready", then waits for the end of its input.
USER = """
import sys
from perfkit.lab import open_shop
shop = open_shop(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty PERFKIT_HOME with a short path, reachable for the server's account when we are root."""
    home = Path(tempfile.mkdtemp(prefix="pk", dir="/tmp"))
    home.chmod(0o711)  # else root's server, which runs as another account, is moved elsewhere
    monkeypatch.setenv("PERFKIT_HOME", str(home))
    yield home
    stop()
    left = servers_of(home)
    shutil.rmtree(home, ignore_errors=True)
    assert left == [], "a server outlived its users"


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="pk", dir="/tmp"))
    yield home
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFKIT_HOME", str(home))
        stop()
    left = servers_of(home)
    shutil.rmtree(home, ignore_errors=True)
    assert left == [], "a server outlived its users"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, session_home: Path) -> None:
    monkeypatch.setenv("PERFKIT_HOME", str(session_home))
    monkeypatch.setenv("PERFKIT_SCALE", "tiny")
    monkeypatch.delenv("PERFKIT_DATABASE_URL", raising=False)


@pytest.fixture
def start_python() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start python code in a process of its own; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def start_user(
    start_python: Callable[..., "subprocess.Popen[str]"],
) -> Callable[..., "subprocess.Popen[str]"]:
    """Start a process that uses the shop, and wait until it does."""

    def start(name: str = "shop") -> "subprocess.Popen[str]":
        process = start_python(USER, name)
        line = process.stdout.readline()
        assert line == "ready\n", process.communicate(timeout=WAIT_S)[1]
        return process

    return start
