"""The folder of the embedded server: made whole or not at all, stamped with the version it was made for."""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import psutil

from perfkit.lab.binaries import POSTGRES_MAJOR, Account, run, server_account
from perfkit.lab.errors import LabError
from perfkit.lab.paths import socket_folder

CLUSTER_FORMAT = 1  # raise it when a folder of an earlier perfkit cannot be used as it is
SUPERUSER = "perfkit"
PORT = 5432  # within our own socket folder, so it meets no other server
_MB = 1024 * 1024


def stamp(cluster: Path) -> dict[str, object] | None:
    """Return what the version stamp of a cluster folder says, or None without a readable one."""
    try:
        found = json.loads((cluster / "perfkit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("made_by") == "perfkit" else None


def is_current(cluster: Path) -> bool:
    """Say whether the folder holds a complete cluster of this version; raise if it must not be touched.

    Raises:
        LabError: the folder holds something that is not ours, or that a newer perfkit made.
    """
    found = stamp(cluster)
    if found is None:
        if (cluster / "data" / "PG_VERSION").exists() or (cluster / "PG_VERSION").exists():
            raise LabError(
                f"{cluster} holds a PostgreSQL folder that perfkit did not make. "
                "Set PERFKIT_HOME to another folder, or move that one away."
            )
        return False
    made = found.get("format"), found.get("postgresql")
    if made == (CLUSTER_FORMAT, POSTGRES_MAJOR):
        return found.get("complete") is True and (cluster / "pgpass").exists()
    if isinstance(made[0], int) and isinstance(made[1], int) and made > (CLUSTER_FORMAT, POSTGRES_MAJOR):
        raise LabError(
            f"{cluster} was made by a newer perfkit. Upgrade perfkit, or delete that folder: "
            "the sample data is built again by `perfkit data build`."
        )
    return False


def _write_stamp(cluster: Path, *, complete: bool) -> None:
    about = {
        "made_by": "perfkit",
        "format": CLUSTER_FORMAT,
        "postgresql": POSTGRES_MAJOR,
        "complete": complete,
    }
    scratch = cluster / "perfkit.json.new"
    scratch.write_text(json.dumps(about), encoding="utf-8")
    scratch.replace(cluster / "perfkit.json")


def create(cluster: Path, binaries: Path) -> None:
    """Make the cluster anew; the stamp calls it complete last, so an interrupted creation is started over.

    Authentication is by password even on the private socket, because the network proxy offers the server on a
    loopback port that everyone on the machine can reach. The password is random, lives in a file that only
    its owner reads (`pgpass`), and clients are pointed at that file instead of carrying it in URLs.
    """
    _write_stamp(cluster, complete=False)
    data, account = cluster / "data", server_account()
    shutil.rmtree(data, ignore_errors=True)
    password = secrets.token_hex(24)
    password_file = cluster / "initdb.password"
    try:
        data.mkdir(mode=0o700)
        _write_private(password_file, password)
        _give(account, data, password_file)
        run(binaries, "initdb", _initdb_arguments(data, password_file))
    finally:
        password_file.unlink(missing_ok=True)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("\ninclude_if_exists = 'perfkit.conf'\n")
    _write_private(cluster / "pgpass", f"*:*:*:{SUPERUSER}:{password}\n")
    _write_stamp(cluster, complete=True)


def _initdb_arguments(data: Path, password_file: Path) -> list[str]:
    return [
        *(
            "-D",
            str(data),
            "-U",
            SUPERUSER,
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
        ),
        # Sorting and LIKE then behave alike on every machine, whatever the user's locale is.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        # A password of 192 random bits needs no stretching; 4096 rounds would cost milliseconds a connection.
        *("--set", "scram_iterations=1"),
        "--no-data-checksums",
        "--no-instructions",
    ]


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _give(account: Account | None, *paths: Path) -> None:
    if account is not None:
        for path in paths:
            os.chown(path, account.uid, account.uid)


def password(cluster: Path) -> str:
    """Return the server's password.

    Raises:
        LabError: the password file cannot be read.
    """
    try:
        return (cluster / "pgpass").read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
    except (OSError, IndexError) as error:
        raise LabError(
            f"Cannot read {cluster / 'pgpass'}. Delete {cluster} to have it made again."
        ) from error


def configure(cluster: Path, tcp_port: int | None) -> None:
    """Write the server's settings; called before every start, since the machine may have changed."""
    sockets = "" if tcp_port else str(socket_folder(cluster))
    memory_mb = psutil.virtual_memory().total // _MB
    settings: dict[str, str] = {
        "listen_addresses": "127.0.0.1" if tcp_port else "",
        "port": str(tcp_port or PORT),
        "unix_socket_directories": sockets,
        "unix_socket_permissions": "0700",
        "scram_iterations": "1",
        "shared_buffers": f"{max(32, min(256, memory_mb // 8))}MB",
        "maintenance_work_mem": f"{max(32, min(256, memory_mb // 16))}MB",
        "max_wal_size": "4GB",
        # A crash may lose the last commits but never the consistency: fsync stays on.
        "synchronous_commit": "off",
        # COPY into a table of the same transaction then writes no log at all.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
        "track_io_timing": "on",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "dynamic_shared_memory_type": _dynamic_shared_memory(),
    }
    lines = [f"{name} = '{value}'" for name, value in settings.items()]
    conf = cluster / "data" / "perfkit.conf"
    conf.write_text("# Written by perfkit at every start.\n" + "\n".join(lines) + "\n", encoding="utf-8")
    _give(server_account(), conf)


def _dynamic_shared_memory() -> str:
    """Docker gives /dev/shm 64 MB, where a parallel hash join fails; then a file in the data folder does."""
    if sys.platform == "win32":
        return "windows"
    if sys.platform != "linux":
        return "posix"
    try:
        return "posix" if shutil.disk_usage("/dev/shm").total >= 512 * _MB else "mmap"  # noqa: S108
    except OSError:
        return "mmap"
