"""Where code comes from, as far as a profile has to know: its owner decides how it is recorded and shown."""

import functools
import os
import sysconfig
from types import FrameType
from typing import Literal

from perfkit.capture.call_site import is_user_file

Origin = Literal["builtin", "own", "host", "stdlib", "library", "user"]

HOST_PACKAGES = frozenset(
    {"IPython", "ipykernel", "jupyter_client", "jupyter_core", "tornado", "traitlets", "zmq", "comm"}
    | {"debugpy", "_pydevd_bundle", "nest_asyncio", "nest_asyncio2"}
)
_SEP = os.sep
_PACKAGE = os.path.normcase(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + _SEP  # noqa: PTH100, PTH120 - compared as text
_STDLIB = tuple(
    {os.path.normcase(sysconfig.get_path(name)) + _SEP for name in ("stdlib", "platstdlib")}
    | {os.path.normcase(os.path.dirname(os.path.realpath(os.__file__))) + _SEP}  # noqa: PTH120 - compared as text
)
_SITE_PARTS = (f"{_SEP}site-packages{_SEP}", f"{_SEP}dist-packages{_SEP}")


@functools.lru_cache(maxsize=8192)
def origin(file_path: str) -> Origin:
    """Whose code this is.

    Args:
        file_path: `co_filename` of a code object, `~` for a built-in function.

    Returns:
        `own` for perfkit (not its lab, which a person calls as they would any library), `host` for what runs
        the cell: IPython, the kernel and the event loop; else `builtin`, `stdlib`, `library` or `user`.
    """
    if file_path == "~":
        return "builtin"
    if file_path.startswith("<frozen "):
        return "stdlib"
    path = os.path.normcase(file_path)
    if _is_own(path):
        return "own"
    if any(part in path for part in _SITE_PARTS):
        return "host" if _site_package(path) in HOST_PACKAGES else "library"
    if path.startswith(_STDLIB):
        return "host" if _is_event_loop(path) else "stdlib"
    return "user" if is_user_file(file_path) else "library"


def asking_frame(frame: FrameType) -> FrameType:
    """The innermost frame, from this one outwards, that is not perfkit's."""
    while frame.f_back is not None and origin(frame.f_code.co_filename) == "own":
        frame = frame.f_back
    return frame


def _is_own(path: str) -> bool:
    return path.startswith(_PACKAGE) and not path.startswith(_PACKAGE + "lab" + _SEP)


def _site_package(path: str) -> str:
    tail = next(path.rpartition(part)[2] for part in _SITE_PARTS if part in path)
    return tail.split(_SEP, 1)[0].removesuffix(".py")


def _is_event_loop(path: str) -> bool:
    return f"{_SEP}asyncio{_SEP}" in path or path.endswith((f"{_SEP}selectors.py", f"{_SEP}runners.py"))
