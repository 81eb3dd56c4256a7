"""A PostgreSQL of any version, started from its programs in a temporary folder."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

# It listens on a socket in the folder alone; the port is part of the socket's name.
PORT = 5432


def running(programs: Path) -> Iterator[str]:
    """The address of a server of these programs; it ends when the iterator does."""
    # PostgreSQL does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="perfkit-own-") as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        _run(user, programs / "initdb", "--auth=trust", "--username=postgres", "--no-sync", data)
        options = f"-k {folder} -p {PORT} -c listen_addresses='' -F"
        _run(user, programs / "pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", f"{folder}/log")
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}&port={PORT}"
        finally:
            _run(user, programs / "pg_ctl", "stop", "-w", "-D", data, "-m", "fast")


def _run(user: str | None, *command: str | Path) -> None:
    # Not captured: the server that stays behind would keep the pipe open.
    subprocess.run(
        command,
        check=True,
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
