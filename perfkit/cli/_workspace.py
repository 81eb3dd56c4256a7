"""The folder with the guided notebooks: the checkout's own, or a copy of what the wheel carries."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perfkit.cli._shared import CommandError, complain, lab_errors, say
from perfkit.model.wording import counted

_RECORD = ".perfkit-copied.json"
_DEFAULT = "perfkit-tour"
_NOT_COPIED = {"__pycache__", ".ipynb_checkpoints", ".keep"}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where the notebooks are. `folder` is the one that holds `notebooks/` and gets `reports/`."""

    folder: Path

    @property
    def notebooks(self) -> tuple[Path, ...]:
        """The guided notebooks in their order."""
        return tuple(sorted((self.folder / "notebooks").glob("[0-9]*.ipynb")))


def prepare(wanted: Path | None) -> Workspace:
    """Find or make the folder with the notebooks.

    Args:
        wanted: where to copy notebooks and data card; by default nothing is copied in a checkout, and
            an installed perfkit copies to `perfkit-tour`.

    Returns:
        The folder. Files in it that the person changed stay as they are, and are named.

    Raises:
        CommandError: it cannot be written, or the notebooks are missing.
    """
    from perfkit.lab.resources import data_dir, notebooks_dir

    with lab_errors():
        sources = {"notebooks": notebooks_dir(), "data": data_dir()}
    checkout = sources["notebooks"].parent
    if wanted is None and (checkout / "pyproject.toml").is_file():
        return Workspace(checkout)
    folder = wanted or Path(_DEFAULT)
    if folder.resolve() == checkout:
        return Workspace(checkout)
    try:
        _copy(sources, folder)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"Cannot copy the notebooks to {folder}: {reason}. Name another folder.") from None
    return Workspace(folder)


def _copy(sources: dict[str, Path], folder: Path) -> None:
    record = _read_record(folder)
    kept, copied = [], 0
    for name, source in _files(sources):
        target = folder / name
        if target.exists():
            digest = _digest(target)
            if digest == _digest(source):
                record[name] = digest
                continue
            if record.get(name) != digest:
                kept.append(name)
                continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        record[name] = _digest(source)
        copied += 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True), encoding="utf-8")
    _tell(folder, copied, kept)


def _tell(folder: Path, copied: int, kept: list[str]) -> None:
    if copied:
        say(f"Copied {counted(copied, 'file')} to {folder}.")
    if kept:
        complain(
            f"Kept what you changed in {folder}: {', '.join(kept)}.\n"
            "Delete or rename a file to get the original again."
        )


def _files(sources: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    for name, source in sources.items():
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            if path.is_file() and not _NOT_COPIED.intersection(relative.parts):
                yield f"{name}/{relative.as_posix()}", path


def _read_record(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # a new folder, or a record that was damaged: every different file counts as changed
    return found if isinstance(found, dict) else {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
