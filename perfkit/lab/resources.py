"""Find the folders that travel with perfkit: `notebooks/` and `data/`."""

from pathlib import Path

from perfkit.lab.errors import LabError

_LAB = Path(__file__).resolve().parent


def _find(name: str) -> Path:
    # A wheel carries the folders inside the package; a checkout has them at its root.
    for folder in (_LAB / "bundle" / name, _LAB.parents[1] / name):
        if folder.is_dir():
            return folder
    raise LabError(
        f"The folder {name}/ that belongs to perfkit is missing. Install perfkit again: pip install perfkit"
    )


def notebooks_dir() -> Path:
    """Return the folder of the guided notebooks, in a checkout or an installed wheel.

    Raises:
        LabError: the installation is incomplete.
    """
    return _find("notebooks")


def data_dir() -> Path:
    """Return the folder with `schema.sql`, `settings.toml` and the data card.

    Raises:
        LabError: the installation is incomplete.
    """
    return _find("data")
