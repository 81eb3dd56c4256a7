"""Files of a throwaway clone, made as long as tables of another size, without taking room on the disk.

The planner does not take the number of pages from the catalogue: it asks the file system how long the file of
a table is, and multiplies that by the rows for each page that the catalogue tells. A table without pages has
no rows to it, whatever its statistics say (measured on PostgreSQL 18: cost 0 for every scan). So the files of
the clone get holes of the right length. Nobody reads them: the clone is only planned for, and then dropped.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 8192
SEGMENT_BYTES = 1 << 30
# A file system that fills holes would run full; one segment tells.
_MAX_DISK_SHARE = 0.01
MAX_BYTES = 4 << 40


class FilesError(RuntimeError):
    """The files cannot be made longer; the message says why."""


@dataclass(frozen=True, slots=True)
class Relation:
    """The file of a table or an index, below the folder of the server's data, and how many pages it gets."""

    path: str
    pages: int


def check_reach(folder: str, system_identifier: int) -> Path:
    """Make sure that the files of a server are on this machine and may be written.

    Args:
        folder: where the server says that its data is.
        system_identifier: the number that the server's data was given when it was made.

    Returns:
        The folder.

    Raises:
        FilesError: if this is another machine, another server, or another account's data.
    """
    data = Path(folder)
    control = data / "global" / "pg_control"
    try:
        found = int.from_bytes(control.read_bytes()[:8], sys.byteorder)
    except OSError:
        raise FilesError(
            "The server's files are not within reach: it runs on another machine or as another account."
        ) from None
    if found != system_identifier:
        raise FilesError("The server's files are not within reach: it runs on another machine.")
    if sys.platform == "win32":
        raise FilesError("On Windows a longer file takes room on the disk, so no size can be pretended.")
    return data


def lengthen(data: Path, relations: Sequence[Relation]) -> None:
    """Give files their lengths.

    Args:
        data: the folder of the server's data.
        relations: files of the clone alone.

    Raises:
        FilesError: if they may not be written, or the file system would fill the holes.
    """
    total = sum(relation.pages for relation in relations) * PAGE_BYTES
    if total > MAX_BYTES:
        raise FilesError(
            f"Tables and indexes of {total / 1e12:,.1f} TB are more than {MAX_BYTES / 1e12:.1f} TB, the most "
            "that is pretended. Give fewer rows."
        )
    for relation in relations:
        try:
            _lengthen(data / relation.path, relation.pages * PAGE_BYTES)
        except OSError as error:
            raise FilesError(f"The files of the clone cannot be written ({error.strerror}).") from None


def _lengthen(path: Path, size: int) -> None:
    """A full segment is followed by another one, be it empty."""
    owner = path.stat()
    for number in range(size // SEGMENT_BYTES + 1):
        length = min(SEGMENT_BYTES, size - number * SEGMENT_BYTES)
        segment = path if number == 0 else path.with_name(f"{path.name}.{number}")
        with segment.open("ab") as file:
            if os.fstat(file.fileno()).st_size < length:
                os.truncate(file.fileno(), length)
            _refuse_filled(file.fileno(), length)
        if number:
            _hand_over(segment, owner)


def _refuse_filled(descriptor: int, length: int) -> None:
    used = os.fstat(descriptor).st_blocks * 512
    if length == SEGMENT_BYTES and used > _MAX_DISK_SHARE * length:
        os.truncate(descriptor, 0)
        raise FilesError("The file system fills holes in files, so no size can be pretended on it.")


def _hand_over(path: Path, owner: os.stat_result) -> None:
    if path.stat().st_uid != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(owner.st_mode & 0o777)
