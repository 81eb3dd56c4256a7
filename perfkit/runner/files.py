"""Notebooks in, reports out: what can be wrong with a file is said in a line or two."""

import errno
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbformat.warnings import MissingIDFieldWarning


class RunError(Exception):
    """A notebook cannot be run or its report not written; the message says why and what to do."""


def read_notebook(path: Path) -> Any:
    """Read a notebook of any format that Jupyter still reads.

    Args:
        path: the file.

    Returns:
        The notebook in format 4.

    Raises:
        RunError: the file is missing, cannot be read, or is not a notebook.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise RunError(
            f"{path} is a folder. Name the notebooks in it: perfkit report {path}/*.ipynb"
        ) from None
    except UnicodeDecodeError:
        raise RunError(f"{path} is not a notebook: it is not UTF-8 text.") from None
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror}.") from None
    return _parse(path, text)


def _parse(path: Path, text: str) -> Any:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise RunError(f"{path} is not a notebook: it is not JSON ({error}).") from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise RunError(f"{path} is not a notebook: it has no nbformat number.")
    try:
        with warnings.catch_warnings():
            # Notebooks before format 4.5 have no cell ids; they get theirs here.
            warnings.simplefilter("ignore", MissingIDFieldWarning)
            return nbformat.reads(text, as_version=4)
    except Exception as error:
        # nbformat raises its own errors, jsonschema's, KeyError and AttributeError for damaged files.
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(f"{path} is not a notebook that can be read: {first_line}") from None


def require_python(path: Path, notebook: Any) -> None:
    """Refuse a notebook of another language, which our kernel would only stumble over."""
    metadata = notebook.metadata
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    if language and str(language).lower() not in ("python", "ipython"):
        raise RunError(
            f"{path} is written for {language}; perfkit runs Python notebooks. Use --as-is for its report."
        )


def prepare_folder(folder: Path) -> None:
    """Make the folder for the reports and see that it can be written, before minutes of work depend on it.

    Raises:
        RunError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(
            f"Cannot write reports to {folder}: {_reason(error)}. Choose another folder with -o."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; two writers at once cannot mix their texts.

    Raises:
        RunError: there is no space, or no right to write.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(text)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise RunError(f"Cannot write {path}: {_reason(error)}.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "there is no space left on the disk"
    return (error.strerror or str(error)).lower()
