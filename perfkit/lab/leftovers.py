"""Find and remove what a server left behind that died: processes, number files, sockets, a guard."""

from pathlib import Path

import psutil

from perfkit.lab.guard import FileLock, postmaster_pid, stop_postmaster
from perfkit.lab.paths import socket_folder

_END_S = 5.0


def postgres_processes(data: Path) -> list[psutil.Process]:
    """Return every process of PostgreSQL that works in this data folder: each makes it its current folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if str(process.info["name"]).startswith("postgres") and process.cwd() == str(data):
                found.append(process)
        except psutil.Error:
            pass  # it has ended, or is another account's
    return found


def postmaster(data: Path) -> psutil.Process | None:
    """Return the process that postmaster.pid names, unless the number now belongs to something else."""
    pid = postmaster_pid(data)
    return next((process for process in postgres_processes(data) if process.pid == pid), None)


def clear_stale(folder: Path, binaries: Path) -> None:
    """Remove what is left of a server that does not answer; nothing of it may run on and write to our files.

    Args:
        folder: the cluster folder, whose main lock the caller holds.
        binaries: the folder of PostgreSQL's programs.
    """
    data = folder / "data"
    end_guard(folder)
    if postmaster(data) is not None:
        stop_postmaster(data, binaries)
    left = postgres_processes(data)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=_END_S)
    (data / "postmaster.pid").unlink(missing_ok=True)
    for path in socket_folder(folder).glob(".s.PGSQL.*"):
        path.unlink(missing_ok=True)


def end_guard(folder: Path) -> None:
    """End the guard of a server that is no more."""
    lock = FileLock(folder / "guard.lock")
    if not lock.is_held():
        return
    try:
        process = psutil.Process(int((folder / "guard.pid").read_text(encoding="utf-8")))
        if any("guard.py" in part for part in process.cmdline()):
            process.kill()
    except (OSError, ValueError, psutil.Error):
        pass  # it is ending by itself
    with lock:
        pass  # its end frees the lock
