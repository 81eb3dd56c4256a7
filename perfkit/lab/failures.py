"""Turn what can go wrong on a disk or in a server into one clear line."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from perfkit.lab.errors import LabError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def clear_errors() -> Iterator[None]:
    """Raise `LabError` for a full disk, a folder without rights and a server that went away.

    Raises:
        LabError: instead of the error that Python or psycopg raised.
    """
    try:
        yield
    except psycopg.errors.DiskFull as error:
        raise LabError(f"The disk is full ({_first_line(error)}). {_SPACE}") from error
    except psycopg.OperationalError as error:
        raise LabError(
            f"The embedded PostgreSQL went away: {_first_line(error)}. Try again; it is restarted."
        ) from error
    except psycopg.Error as error:
        raise LabError(f"The embedded PostgreSQL refused: {_first_line(error)}") from error
    except OSError as error:
        if error.errno in _FULL:
            raise LabError(f"The disk is full ({error.strerror}). {_SPACE}") from error
        raise LabError(
            f"Cannot use {error.filename} ({error.strerror}). Set PERFKIT_HOME to a folder you can write to."
        ) from error


_SPACE = "Free some space, choose a smaller PERFKIT_SCALE, or set PERFKIT_HOME to another disk."


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
