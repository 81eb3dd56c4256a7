"""A record of another process, by py-spy, which reads its memory from outside: the process runs on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from perfkit.capture.saved_profile import ProfileFileError, profile_of_speedscope
from perfkit.model.cpu import CpuProfile

LONGEST_S = 600
_RATE_HZ = 100
# py-spy itself takes a second or two to find Python in a process, and to write its file.
_GRACE_S = 30
_PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
_DENIED = re.compile(r"permission denied|operation not permitted|elevated permissions|EPERM", re.IGNORECASE)
_MAIN_THREAD = '"MainThread"'


class PySpyError(RuntimeError):
    """py-spy is not there, or could not record; the message says why, and what to change."""


def record(pid: int, duration_s: float) -> CpuProfile:
    """Record a running Python process.

    Args:
        pid: its number. Of this very process the main thread is left out: it waits for the recording.
        duration_s: for how long, in seconds; at most 600.

    Returns:
        All of its threads, those that wait included, each below an entry of its own.

    Raises:
        PySpyError: if py-spy is not installed, may not read the process, or finds no Python in it.
    """
    program = _program()
    with tempfile.TemporaryDirectory(prefix="perfkit-py-spy-") as folder:
        path = Path(folder, f"process-{pid}.json")
        _run([*_command(program, pid, duration_s), "--output", str(path)], pid, duration_s)
        try:
            data = json.loads(path.read_bytes())
            is_own = pid == os.getpid()
            profile = profile_of_speedscope(
                data, path, leave_out=lambda name: is_own and _MAIN_THREAD in name, are_threads=True
            )
        except (OSError, ValueError, ProfileFileError):
            raise PySpyError(f"py-spy recorded nothing of process {pid}: it may have ended.") from None
    notes = [
        f"Threads stand side by side, each with its {duration_s:g} s, waiting included; together they take "
        "longer than the clock."
    ]
    if is_own:
        notes.append("The kernel's main thread is left out: it waited here. Use %%profile for a cell.")
    engine = f"py-spy, {_RATE_HZ} samples a second for {duration_s:g} s, process {pid}"
    return replace(profile, engine=engine, notes=tuple(notes))


def _program() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = shutil.which(beside) or shutil.which("py-spy")
    if found is None:
        raise PySpyError("py-spy is not installed: pip install py-spy")
    return found


def _command(program: str, pid: int, duration_s: float) -> list[str]:
    options = ["--format", "speedscope", "--function", "--full-filenames", "--idle"]
    timing = ["--rate", f"{_RATE_HZ}", "--duration", f"{max(1, round(duration_s))}"]
    return [program, "record", "--pid", f"{pid}", *options, *timing]


def _run(command: list[str], pid: int, duration_s: float) -> None:
    process: subprocess.Popen[str] | None = None
    try:
        with _interrupts_held():
            process = _start(command)
        _, errors = process.communicate(timeout=duration_s + _GRACE_S)
    except subprocess.TimeoutExpired:
        raise PySpyError(
            f"py-spy did not come to an end, and was stopped: {duration_s:g} s were asked."
        ) from None
    finally:
        if process is not None and process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode:
        raise PySpyError(_reason(errors, pid))


def _start(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let a Ctrl-C wait: in the midst of a start it would lose sight of the new process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if held:
        raise KeyboardInterrupt


def _reason(errors: str, pid: int) -> str:
    if not _is_alive(pid):
        return f"There is no process {pid}."
    if _DENIED.search(errors):
        return f"py-spy may not read process {pid}. {_remedy()}"
    lines = [line for line in errors.splitlines() if line.strip()]
    detail = (lines[0] if lines else "no reason given").removeprefix("Error: ").rstrip(".")
    return f"py-spy cannot record process {pid}: {detail}. It must be a running Python."


def _is_alive(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


def _remedy() -> str:
    """The setting that stands in the way, as far as it can be seen."""
    if sys.platform == "darwin":
        return (
            "macOS allows it to root only: start Jupyter by sudo, or record from a terminal by sudo py-spy."
        )
    if sys.platform == "win32":
        return "Start Jupyter as administrator."
    if _PTRACE_SCOPE.exists() and _PTRACE_SCOPE.read_text().strip() != "0":
        return "Allow it until the next boot: sudo sysctl kernel.yama.ptrace_scope=0"
    return (
        "It must belong to the same user; in a container, the container needs --cap-add SYS_PTRACE; "
        "elsewhere kernel.yama.ptrace_scope must be 0."
    )
