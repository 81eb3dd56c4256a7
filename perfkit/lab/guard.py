"""The guard: the process that owns the embedded server and stops it when its last user is gone.

Each user of the server holds a lock on a file of its own in `users/`. The system releases that lock when the
process ends, also by kill -9, so the guard needs neither process numbers nor a clock: it waits for a lock.
This file is run as a script (`python -I -S guard.py ...`) and so uses the standard library alone.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType, TracebackType

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int, wait: bool) -> None:
        # LK_LOCK gives up after ten seconds with OSError, which `acquire` takes as "not yet".
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int, wait: bool) -> None:
        # flock, not lockf: POSIX record locks vanish when any handle of the process on the file is closed.
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


STOP_S = 20.0  # a shutdown writes a checkpoint: up to shared_buffers of data to a slow disk
TAKE_OVER_S = 2.0
POLL_S = 0.01


class FileLock:
    """An exclusive lock between processes that ends with its holder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self, *, wait: bool = False) -> bool:
        """Take the lock if nobody holds it (or wait for it); say whether it is ours."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor, wait)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def acquire(self) -> None:
        """Wait for the lock."""
        while not self.try_acquire(wait=True):
            pass

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_held(self) -> bool:
        """Say whether anybody holds the lock at this moment."""
        free = self.try_acquire()
        self.release()
        return not free

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def live_users(folder: Path, *, prune: bool = False) -> list[Path]:
    """Return the lock files in `users/` that are held.

    Args:
        folder: the cluster folder.
        prune: remove the files whose holder is gone; only for who holds the main lock, since a user who is
            just registering has made its file and not locked it yet.
    """
    held = []
    for path in sorted((folder / "users").glob("*.lock")):
        if FileLock(path).is_held():
            held.append(path)
        elif prune:
            path.unlink(missing_ok=True)
    return held


def postmaster_pid(data: Path) -> int | None:
    """Return the process number in postmaster.pid, or None when there is none to read."""
    try:
        return int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def stop_postmaster(data: Path, binaries: Path, child: "subprocess.Popen[bytes] | None" = None) -> None:
    """Stop the server of a data folder: politely, then less so.

    The caller has made sure that the number in postmaster.pid belongs to a postmaster.
    """
    pid = postmaster_pid(data)
    if pid is None:
        return
    if sys.platform == "win32":
        command = [str(binaries / "pg_ctl"), "stop", "-D", str(data), "-m", "fast", "-w"]
        subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - arguments as a list
        return
    # SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one (manual, "Shutting Down the Server").
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if _wait_until_gone(pid, child):
            return


def _wait_until_gone(pid: int, child: "subprocess.Popen[bytes] | None") -> bool:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        if child is not None and child.poll() is not None:
            return True  # our own child is collected here and would otherwise stay as a zombie
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(POLL_S)
    return False


class _ServerEnded(Exception):  # noqa: N818 - an event, not an error
    """The server this guard started has ended by itself."""


def _on_child(number: int, frame: FrameType | None) -> None:
    raise _ServerEnded


def _start(folder: Path, binaries: Path, user: int | None) -> "subprocess.Popen[bytes] | None":
    data = folder / "data"
    if sys.platform == "win32":
        # PostgreSQL refuses to run with an administrator's rights; pg_ctl gives them up first.
        command = [str(binaries / "pg_ctl"), "start", "-W", "-D", str(data), "-l", str(folder / "log")]
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - arguments as a list
        return None
    else:  # noqa: RET505 - mypy needs it to check each platform's branch alone
        signal.signal(signal.SIGCHLD, _on_child)
        return subprocess.Popen(  # noqa: S603 - arguments as a list
            [str(binaries / "postgres"), "-D", str(data)],
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )


def _wait_for_users_to_leave(folder: Path, main: FileLock) -> None:
    """Return with the main lock held and no user left."""
    while True:
        for path in live_users(folder):
            with FileLock(path):
                pass  # that user is gone
        main.acquire()
        if not live_users(folder, prune=True):
            return
        main.release()


def _take_over(guard: FileLock) -> bool:
    """Take the guard's lock; others take it for an instant when they look whether it is held."""
    deadline = time.monotonic() + TAKE_OVER_S
    while not guard.try_acquire():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def watch(folder: Path, binaries: Path, *, start: bool, user: int | None) -> None:
    """Start the server (or adopt the one that runs), wait for its last user, stop it.

    Args:
        folder: the cluster folder with `data/`, `users/` and the lock files.
        binaries: the folder of PostgreSQL's programs.
        start: whether to start the server.
        user: numeric user and group to run it as, when we are root.
    """
    guard, main = FileLock(folder / "guard.lock"), FileLock(folder / "main.lock")
    if not _take_over(guard):
        return
    (folder / "guard.pid").write_text(str(os.getpid()), encoding="utf-8")
    child = None
    try:
        child = _start(folder, binaries, user) if start else None
        _wait_for_users_to_leave(folder, main)
        if hasattr(signal, "SIGCHLD"):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        stop_postmaster(folder / "data", binaries, child)
    except _ServerEnded:
        if child is not None:
            child.wait()
    finally:
        (folder / "guard.pid").unlink(missing_ok=True)
        guard.release()
        main.release()


if __name__ == "__main__":
    watch(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        start=sys.argv[3] == "start",
        user=int(sys.argv[4]) if sys.argv[4] else None,
    )
