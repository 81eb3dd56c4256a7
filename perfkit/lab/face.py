"""What `perfkit data build`, `info`, `reset`, `stop` and `remove` do."""

import shutil
from dataclasses import dataclass

from perfkit.lab import external, templates
from perfkit.lab.errors import LabError
from perfkit.lab.failures import clear_errors
from perfkit.lab.paths import home, socket_folder
from perfkit.lab.progress import Reporter
from perfkit.lab.server import cluster_path, embedded_server, stop_server
from perfkit.lab.settings import parse_scale
from perfkit.lab.shop import database_name

_BESIDE_THE_SERVER = ("sqlite", "jupyter")


@dataclass(frozen=True)
class DatabaseInfo:
    """One database of the lab: a `template`, a `clone` of one, or your `own`."""

    name: str
    kind: str
    scale: str
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class LabInfo:
    """Where the lab keeps its data and what is there; `where` is free of passwords."""

    where: str
    databases: tuple[DatabaseInfo, ...]


def build(
    scale: str | float | None = None,
    progress: Reporter | None = None,
    *,
    url: str | None = None,
    create: bool = False,
) -> dict[str, int]:
    """Build the sample data of a scale unless it is there.

    Args:
        scale: as in `open_shop`.
        progress: told how far it is; a bar in a terminal or plain lines by default.
        url: of your own database instead of the embedded server; see `open_shop`.
        create: that tables may be created in your own database.

    Returns:
        Rows by table.

    Raises:
        LabError: with what is wrong and what to do.
    """
    size = parse_scale(scale)
    own = external.external_url(url)
    if own is not None:
        external.build_shop(own, size, create=create, again=False, progress=progress)
        return external.require_shop(own)
    with clear_errors():
        return templates.template_rows(embedded_server(), size, progress)


def info(*, url: str | None = None) -> LabInfo:
    """Return what there is, without building anything.

    Args:
        url: of your own database; see `open_shop`.

    Raises:
        LabError: the server cannot be reached or started.
    """
    own = external.external_url(url)
    if own is not None:
        rows = external.shop_sizes(own)
        found = () if rows is None else (DatabaseInfo(own.database or "", "own", "", sum(rows.values()), 0),)
        return LabInfo(external.label(own), found)
    with clear_errors():
        listed = templates.databases(embedded_server())
    return LabInfo(str(home()), tuple(DatabaseInfo(**item) for item in listed))


def reset(
    name: str = "shop", *, scale: str | float | None = None, url: str | None = None, create: bool = False
) -> None:
    """Bring a shop back to its first state; connections to it are closed.

    Args:
        name: as given to `open_shop`.
        scale: as given to `open_shop`.
        url: of your own database; see `open_shop`.
        create: that the shop's tables in your own database may be dropped and made again.

    Raises:
        LabError: with what is wrong and what to do.
    """
    size = parse_scale(scale)
    own = external.external_url(url)
    if own is not None:
        external.build_shop(own, size, create=create, again=True)
        return
    database = database_name(name, size)
    with clear_errors():
        templates.clone(embedded_server(), size, database, fresh=True)


def stop() -> bool:
    """Stop using the embedded server; it ends when no other process uses it.

    Returns:
        Whether the server is down now.
    """
    with clear_errors():
        return stop_server()


def remove() -> str:
    """Stop the embedded server and delete what the lab keeps: its databases and JupyterLab's settings.

    Returns:
        The folder, which is gone too unless something else is in it.

    Raises:
        LabError: another process still uses the server.
    """
    with clear_errors():
        if not stop_server():
            raise LabError(
                "The embedded server is still used by another process, such as a notebook: end that first."
            )
        folder, cluster = home(), cluster_path()
        if cluster.is_dir():
            shutil.rmtree(socket_folder(cluster))
            shutil.rmtree(cluster)
        for name in _BESIDE_THE_SERVER:
            shutil.rmtree(folder / name, ignore_errors=not (folder / name).exists())
        if not any(folder.iterdir()):
            folder.rmdir()
    return str(folder)
