"""The embedded PostgreSQL: started by its first user, shared by all, stopped after its last."""

import atexit
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from perfkit.lab import cluster as cluster_folder
from perfkit.lab import guard as guard_module
from perfkit.lab.binaries import find_binaries, server_account, server_environment
from perfkit.lab.errors import LabError
from perfkit.lab.guard import FileLock, live_users, postmaster_pid
from perfkit.lab.paths import home, socket_folder
from perfkit.lab.progress import note, waiting_for

READY_S = 600.0  # recovery after a crash replays up to max_wal_size of log: minutes on a slow disk
PATIENCE_S = 3.0  # an ordinary start takes 0.3 s; after ten times that the user is told what goes on
CONNECT_S = 5
_LOG_LIMIT_BYTES = 5_000_000


class Server:
    """This process's use of the embedded server; get it from `embedded_server`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._user = FileLock(folder / "users" / f"{os.getpid()}-{secrets.token_hex(4)}.lock")
        self.owner_pid = os.getpid()
        self._guards: list[subprocess.Popen[bytes]] = []
        self._binaries = find_binaries()
        (folder / "users").mkdir(mode=0o700, parents=True, exist_ok=True)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """Open a connection for the lab's own work, in autocommit mode.

        Raises:
            psycopg.OperationalError: the server or the database cannot be reached.
        """
        host, port = self.address
        return psycopg.connect(
            host=host,
            port=port,
            user=cluster_folder.SUPERUSER,
            password=cluster_folder.password(self.folder),
            dbname=database,
            connect_timeout=CONNECT_S,
            sslmode="disable",
            options="",
            autocommit=True,
        )

    @property
    def address(self) -> tuple[str, int]:
        """The socket folder (or, on Windows, 127.0.0.1) and port."""
        if sys.platform == "win32":
            return "127.0.0.1", int((self.folder / "port").read_text(encoding="utf-8"))
        return str(socket_folder(self.folder)), cluster_folder.PORT

    @property
    def passfile(self) -> Path:
        """The file in which clients find the password."""
        return self.folder / "pgpass"

    def start(self) -> None:
        """Become a user of the server and return when it answers.

        Raises:
            LabError: it cannot be started; with the reason from its log.
        """
        with waiting_for(
            FileLock(self.folder / "main.lock"), "Another perfkit process is starting the server"
        ):
            if self._user.path.exists() and self._answers():
                return
            self._register()
            try:
                self._ensure_running()
            except BaseException:
                self._user.release()
                raise

    def _register(self) -> None:
        self._user.release()
        if not self._user.try_acquire():
            raise LabError(f"Cannot lock {self._user.path}. Set PERFKIT_HOME to a folder on a local disk.")

    def _answers(self) -> bool:
        return self._state() == "up"

    def _state(self) -> str:
        """Ask the server itself: `up`, `starting` (also: repairing after a crash, or too busy to answer) or `down`."""
        try:
            self.connect().close()
        except (OSError, LabError):
            return "down"
        except psycopg.OperationalError as error:
            return self._state_from(str(error))
        return "up"

    def _state_from(self, message: str) -> str:
        if "FATAL" in message and "shutting down" not in message:
            # Refused by a server that runs, for instance because all its connections are taken.
            waiting = ("starting up", "recovery", "not yet accepting")
            return "starting" if any(text in message for text in waiting) else "up"
        return "starting" if "timeout expired" in message and self._postmaster() is not None else "down"

    def _ensure_running(self) -> None:
        if not cluster_folder.is_current(self.folder):
            self._rebuild()
        self._guards = [guard for guard in self._guards if guard.poll() is None]
        lock = FileLock(self.folder / "guard.lock")
        if self._state() == "down":
            self._clear_stale()
            cluster_folder.configure(self.folder, self._tcp_port())
            self._launch("start")
        elif not lock.is_held():
            self._launch("adopt")
            self._wait(lock.is_held)
        self._wait(self._answers)

    def _rebuild(self) -> None:
        others = [path for path in live_users(self.folder) if path != self._user.path]
        if others:
            raise LabError(
                f"{self.folder} is of an older version and in use. Close the notebooks that use it."
            )
        if (self.folder / "perfkit.json").exists():
            note(f"The data folder {self.folder} is of an older version; it is built again.")
        self._clear_stale()
        cluster_folder.create(self.folder, self._binaries)

    def _tcp_port(self) -> int | None:
        if sys.platform != "win32":
            return None
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        (self.folder / "port").write_text(str(port), encoding="utf-8")
        return port

    def _postmaster(self) -> psutil.Process | None:
        """The process that postmaster.pid names, if it is a server of this folder and not a reuse of the number."""
        pid = postmaster_pid(self.folder / "data")
        return next((process for process in self._processes() if process.pid == pid), None)

    def _processes(self) -> list[psutil.Process]:
        """Every process of PostgreSQL that works in this data folder: each makes it its current folder."""
        data, found = str(self.folder / "data"), []
        for process in psutil.process_iter(["name", "cwd"]):
            if str(process.info["name"]).startswith("postgres") and process.info["cwd"] == data:
                found.append(process)
        return found

    def _clear_stale(self) -> None:
        """Remove what a server that died left behind; nothing of it may run on, or it could write to our files."""
        self._end_guard()
        data = self.folder / "data"
        if self._postmaster() is not None:
            guard_module.stop_postmaster(data, self._binaries)
        left = self._processes()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=CONNECT_S)
        (data / "postmaster.pid").unlink(missing_ok=True)
        for path in socket_folder(self.folder).glob(".s.PGSQL.*"):
            path.unlink(missing_ok=True)

    def _end_guard(self) -> None:
        lock = FileLock(self.folder / "guard.lock")
        if lock.is_held():
            try:
                process = psutil.Process(int((self.folder / "guard.pid").read_text(encoding="utf-8")))
                if any("guard.py" in part for part in process.cmdline()):
                    process.kill()
            except (OSError, ValueError, psutil.Error):
                pass  # it is ending by itself
            self._wait(lambda: not lock.is_held())

    def _launch(self, mode: str) -> None:
        account = server_account()
        log = self.folder / "log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.unlink()
        command = [
            sys.executable,
            "-I",
            "-S",
            guard_module.__file__,
            str(self.folder),
            str(self._binaries),
            mode,
        ]
        with log.open("ab") as output:
            self._guards.append(
                subprocess.Popen(  # noqa: S603 - our own script, arguments as a list
                    [*command, str(account.uid) if account else ""],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.folder,
                    env=server_environment(),
                    start_new_session=True,  # Ctrl-C in the terminal is for the notebook, not for the server
                )
            )

    def _wait(self, ready: Callable[[], bool]) -> None:
        began = time.monotonic()
        told = False
        while not ready():
            waited = time.monotonic() - began
            if self._guards and self._guards[-1].poll() is not None and not ready():
                raise LabError(f"PostgreSQL does not start: {self._reason()}")
            if waited > READY_S:
                raise LabError(f"PostgreSQL does not answer after {READY_S:.0f} s: see {self.folder / 'log'}")
            if waited > PATIENCE_S and not told:
                note(
                    "PostgreSQL is still starting: after a crash it repairs its files, which can take minutes."
                )
                told = True
            time.sleep(0.02)

    def _reason(self) -> str:
        try:
            lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "Error" in line]
        return (telling or lines or ["no reason given"])[-1][:300] + f" (log: {self.folder / 'log'})"

    def stop(self) -> bool:
        """Stop using the server; if nobody else does, return when it has ended.

        Returns:
            Whether the server is down now.
        """
        if os.getpid() != self.owner_pid:
            return False  # a forked child: the server is its parent's
        with FileLock(self.folder / "main.lock"):
            self._user.release()
            self._user.path.unlink(missing_ok=True)
            if live_users(self.folder):
                return False
            if not FileLock(self.folder / "guard.lock").is_held():
                if self._postmaster() is not None:  # its guard was killed
                    guard_module.stop_postmaster(self.folder / "data", self._binaries)
                return True
        return self._wait_for_guard()

    def _wait_for_guard(self) -> bool:
        lock, deadline = FileLock(self.folder / "guard.lock"), time.monotonic() + 3 * guard_module.STOP_S
        while lock.is_held():
            if live_users(self.folder) or time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        for guard in self._guards:
            guard.wait(CONNECT_S)
        self._guards.clear()
        return True


_servers: dict[Path, Server] = {}
_servers_lock = threading.Lock()


def cluster_path() -> Path:
    """Return the folder of the embedded server's files."""
    return home() / "postgresql"


def embedded_server() -> Server:
    """Return the running server, started if need be; this process is one of its users until it ends.

    Raises:
        LabError: it cannot be started; the message says why and what to do.
    """
    folder = cluster_path()
    with _servers_lock:
        server = _servers.get(folder)
        if server is None or server.owner_pid != os.getpid():  # a forked child is a user of its own
            server = _servers[folder] = Server(folder)
        server.start()
    return server


def stop_server() -> bool:
    """Stop using the server of the current home; see `Server.stop`."""
    folder = cluster_path()
    with _servers_lock:
        return (_servers.get(folder) or Server(folder)).stop()


def _stop_all() -> None:
    for server in _servers.values():
        try:
            server.stop()
        except (OSError, LabError, subprocess.SubprocessError):
            pass  # the interpreter is ending; the guard stops the server as soon as our lock is gone


atexit.register(_stop_all)
