"""Where the lab keeps its files: a short cache folder, never the project's."""

import hashlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from perfkit.lab.binaries import reachable, root_folders, server_account
from perfkit.lab.errors import LabError

# A socket's address holds 104 bytes on macOS and 108 on Linux; the file is called .s.PGSQL.5432.
_MAX_SOCKET_FOLDER = 80
# libpq takes a comma for a list of hosts, and a space or quote is a trap in hand-typed connection strings.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def home() -> Path:
    """Return the lab's folder: `PERFKIT_HOME`, else the platform's cache folder.

    As root, where the server runs as another account, a folder which that account cannot reach is replaced by
    one below /var/cache/perfkit: no folder above it is ever opened to others.

    Raises:
        LabError: the folder cannot be made or written.
    """
    given = os.environ.get("PERFKIT_HOME", "").strip()
    account = server_account()
    if given:
        folder = Path(given).expanduser().absolute()
    elif account is not None:
        folder = root_folders()[0]
    else:
        folder = _user_cache() / "perfkit"
    made = _make(folder, private=account is None)
    if account is None or reachable(made / "x"):
        return made
    digest = hashlib.sha256(str(made).encode()).hexdigest()[:10]
    return _make(root_folders()[0] / digest, private=False)


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # The XDG base directory specification: relative paths in the variable are to be ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".cache"


def _make(folder: Path, *, private: bool) -> Path:
    try:
        folder.mkdir(mode=0o700 if private else 0o755, parents=True, exist_ok=True)
        if not private and folder.stat().st_uid == 0:
            folder.chmod(folder.stat().st_mode | 0o011)
        probe = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed at once: only the making counts
        probe.close()
    except OSError as error:
        raise LabError(
            f"Cannot write to {folder} ({error.strerror}). Set PERFKIT_HOME to a folder you can write to."
        ) from error
    return folder.resolve()


def socket_folder(cluster: Path) -> Path:
    """Return a private folder for the server's sockets, of a short and plain name whatever the cluster's is.

    Raises:
        LabError: somebody else owns the folder of that name.
    """
    inside = cluster / "run"
    if _fits(inside):
        return _private(inside)
    digest = hashlib.sha256(str(cluster).encode()).hexdigest()[:10]
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the folder in it is private and checked
        if _fits(base / f"perfkit-{digest}"):
            return _private(base / f"perfkit-{digest}")
    raise LabError(
        f"No short path for the server's socket; set PERFKIT_HOME to a shorter folder than {cluster}."
    )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder)) <= _MAX_SOCKET_FOLDER and _PLAIN.fullmatch(str(folder)) is not None


def _private(folder: Path) -> Path:
    account = server_account()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if account is not None and found.st_uid == 0:
            os.chown(folder, account.uid, account.uid)
    except OSError as error:
        raise LabError(
            f"Cannot make the folder {folder} for the server's socket: {error.strerror}."
        ) from error
    owners = (
        {os.geteuid(), account.uid}
        if account
        else {os.geteuid()}
        if hasattr(os, "geteuid")
        else {found.st_uid}
    )
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise LabError(f"{folder} belongs to somebody else. Remove it or set PERFKIT_HOME to a shorter path.")
    return folder
