"""The embedded PostgreSQL: started by its first user, shared by all, stopped after its last."""

import atexit
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from perfkit.lab import cluster, guard
from perfkit.lab.binaries import find_binaries, server_account, server_environment
from perfkit.lab.errors import LabError
from perfkit.lab.guard import FileLock, live_users
from perfkit.lab.leftovers import clear_stale, postmaster
from perfkit.lab.paths import home, socket_folder
from perfkit.lab.progress import note, waiting_for

READY_S = 600.0  # recovery after a crash replays up to max_wal_size of log: minutes on a slow disk
PATIENCE_S = 3.0  # an ordinary start takes 0.3 s; after ten times that the user is told what goes on
CONNECT_S = 5
_LOG_LIMIT_BYTES = 5_000_000
_COMPLAINTS = ("FATAL", "PANIC", "ERROR", "Error", "could not", "unrecognized", "invalid")
_LOOPBACK = "127.0.0.1"


class _GuardProcess(subprocess.Popen[bytes]):
    """A process that outlives this one while others use the server; Popen would warn about that."""

    def __del__(self) -> None:
        pass


class Server:
    """This process's use of the embedded server; get it from `embedded_server`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner_pid = os.getpid()
        self._user = FileLock(folder / "users" / f"{self.owner_pid}-{secrets.token_hex(4)}.lock")
        self._guard_lock = FileLock(folder / "guard.lock")
        self._guards: list[_GuardProcess] = []
        self._log_start_bytes = 0
        self._binaries = find_binaries()

    @property
    def address(self) -> tuple[str, int]:
        """The socket folder (or, on Windows, 127.0.0.1) and the port."""
        if sys.platform == "win32":
            return _LOOPBACK, int((self.folder / "port").read_text(encoding="utf-8"))
        else:  # noqa: RET505 - mypy needs it to check each platform's branch alone
            return str(socket_folder(self.folder)), cluster.PORT

    @property
    def passfile(self) -> Path:
        """The file in which clients find the password."""
        return self.folder / "pgpass"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Open a connection for the lab's own work, in autocommit mode.

        Raises:
            psycopg.OperationalError: the server or the database cannot be reached.
        """
        host, port = self.address
        return psycopg.connect(
            host=host,
            port=port,
            user=cluster.SUPERUSER,
            password=cluster.password(self.folder),
            dbname=database,
            connect_timeout=CONNECT_S,
            sslmode="disable",
            options="",
            autocommit=True,
        )

    def start(self) -> None:
        """Become a user of the server and return when it answers.

        Raises:
            LabError: it cannot be started; with the reason from its log.
        """
        (self.folder / "users").mkdir(mode=0o700, parents=True, exist_ok=True)
        main = FileLock(self.folder / "main.lock")
        with waiting_for(main, "Another perfkit process is starting or stopping the server"):
            # Nobody else wants this lock for longer than a look at it takes.
            self._user.release()
            self._user.acquire()
            try:
                self._ensure_running()
            except BaseException:
                self._leave()
                raise

    def _leave(self) -> None:
        self._user.release()
        self._user.path.unlink(missing_ok=True)

    def _ensure_running(self) -> None:
        if not cluster.is_current(self.folder):
            self._rebuild()
        self._guards = [process for process in self._guards if process.poll() is None]
        if self._state() == "down":
            clear_stale(self.folder, self._binaries)
            cluster.configure(self.folder, self._tcp_port())
            self._launch("start")
        elif not self._guard_lock.is_held():
            self._launch("adopt")
            self._wait(self._guard_lock.is_held)
        self._wait(lambda: self._state() == "up")

    def _state(self) -> str:
        """Ask the server: `up`, `starting` (or repairing after a crash, or too busy to answer), `down`."""
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
        alive = "timeout expired" in message and postmaster(self.folder / "data") is not None
        return "starting" if alive else "down"

    def _rebuild(self) -> None:
        others = [path for path in live_users(self.folder) if path != self._user.path]
        if others:
            raise LabError(
                f"{self.folder} is of an older version and in use. Close the notebooks that use it."
            )
        if (self.folder / "perfkit.json").exists():
            note(f"{self.folder} is of another version; it and the sample data are built again.")
        clear_stale(self.folder, self._binaries)
        cluster.create(self.folder, self._binaries)

    def _tcp_port(self) -> int | None:
        if sys.platform == "win32":
            with socket.socket() as probe:
                probe.bind((_LOOPBACK, 0))
                port = int(probe.getsockname()[1])
            (self.folder / "port").write_text(str(port), encoding="utf-8")
            return port
        else:  # noqa: RET505 - mypy needs it to check each platform's branch alone
            return None

    def _launch(self, mode: str) -> None:
        account = server_account()
        log = self.folder / "log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.unlink()
        self._log_start_bytes = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-I", "-S", guard.__file__, str(self.folder), str(self._binaries), mode]
        with log.open("ab") as output:
            process = _GuardProcess(
                [*command, str(account.uid) if account else ""],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=server_environment(),
                start_new_session=True,  # Ctrl-C in the terminal is for the notebook, not for the server
            )
        self._guards.append(process)

    def _wait(self, ready: Callable[[], bool]) -> None:
        began, told = time.monotonic(), False
        while not ready():
            waited = time.monotonic() - began
            if self._guards and self._guards[-1].poll() is not None and not ready():
                raise LabError(f"PostgreSQL does not start: {self._reason()}")
            if waited > READY_S:
                raise LabError(f"PostgreSQL does not answer after {READY_S:.0f} s: see {self.folder / 'log'}")
            if waited > PATIENCE_S and not told:
                note("PostgreSQL is still starting: after a crash it repairs its files, which takes a while.")
                told = True
            time.sleep(0.02)

    def _reason(self) -> str:
        """The first complaint in the log since the start: what follows are its consequences."""
        log = self.folder / "log"
        lines = log.read_bytes()[self._log_start_bytes :].decode(errors="replace").splitlines()
        telling = [line for line in lines if any(word in line for word in _COMPLAINTS)]
        return (telling or lines[-1:] or ["no reason given"])[0][:300] + f" (log: {log})"

    def stop(self) -> bool:
        """Stop using the server; if nobody else does, return when it has ended.

        Returns:
            Whether the server is down now.
        """
        if os.getpid() != self.owner_pid:
            return False  # a forked child: the server is its parent's
        if not self.folder.is_dir():
            return True
        with FileLock(self.folder / "main.lock"):
            self._leave()
            if live_users(self.folder, prune=True):
                return False
            if not self._guard_lock.is_held():
                if postmaster(self.folder / "data") is not None:  # its guard was killed
                    guard.stop_postmaster(self.folder / "data", self._binaries)
                return True
        return self._wait_for_guard()

    def _wait_for_guard(self) -> bool:
        deadline = time.monotonic() + 3 * guard.STOP_S  # it tries three ways to stop the server
        while self._guard_lock.is_held():
            if live_users(self.folder) or time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        for process in self._guards:
            process.wait(CONNECT_S)
        self._guards.clear()
        return True


_servers: dict[Path, Server] = {}
_servers_lock = threading.Lock()


def _server(folder: Path) -> Server:
    server = _servers.get(folder)
    if server is None or server.owner_pid != os.getpid():  # a forked child is a user of its own
        server = _servers[folder] = Server(folder)
    return server


def cluster_path() -> Path:
    """Return the folder of the embedded server's files."""
    return home() / "postgresql"


def embedded_server() -> Server:
    """Return the running server, started if need be; this process is one of its users until it ends.

    Raises:
        LabError: it cannot be started; the message says why and what to do.
    """
    with _servers_lock:
        server = _server(cluster_path())
        server.start()
    return server


def stop_server() -> bool:
    """Stop using the server of the current home; see `Server.stop`."""
    with _servers_lock:
        return _server(cluster_path()).stop()


def _stop_all() -> None:
    for server in _servers.values():
        try:
            server.stop()
        except (OSError, LabError, subprocess.SubprocessError):
            pass  # the interpreter is ending; the guard stops the server as soon as our lock is gone


atexit.register(_stop_all)
