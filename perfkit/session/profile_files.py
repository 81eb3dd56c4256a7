"""Profiles to files that other tools open, and back."""

import datetime
import json
import marshal
import os
from collections.abc import Callable
from pathlib import Path

from perfkit.capture.saved_profile import ProfileFileError, read_profile_file
from perfkit.model.cpu import CpuProfile
from perfkit.model.trace import Trace
from perfkit.session.result import Result
from perfkit.views import cpu, exports, snakeviz
from perfkit.views._html import card, heading, join

_SPEEDSCOPE = ".speedscope.json"
_SUFFIXES = ".prof (SnakeViz, tuna, gprof2dot, pstats), .speedscope.json (speedscope.app) or .html"
# Enough of a file to know whose it is.
_HEAD_BYTES = 4096


def save_profile(profile: CpuProfile, path: str | Path, *, name: str = "profile") -> Path:
    """Write a profile in the format that the file's name asks for.

    Args:
        profile: what to write.
        path: ends in `.prof` (for SnakeViz, tuna, gprof2dot and `pstats`), `.speedscope.json` or `.html`
            (works offline). A profile that is there already is replaced, any other file is not.
        name: what the profile is called in it.

    Returns:
        The path, `~` resolved.

    Raises:
        ProfileFileError: if it cannot be written there; then nothing has changed.
    """
    target = checked_target(path)
    content = _writer(target)(profile, name)
    try:
        _replace(target, content)
    except OSError as error:
        raise ProfileFileError(f"{target} cannot be written: {error.strerror or error}.") from None
    return target


def checked_target(path: str | Path) -> Path:
    """The path if a profile may be written there; nothing is written.

    Raises:
        ProfileFileError: if the suffix is not known, the folder is missing or read-only, or a file is there
            that is no profile.
    """
    target = Path(path).expanduser()
    _writer(target)
    if not target.parent.is_dir():
        raise ProfileFileError(
            f"{target} cannot be written: there is no folder {target.parent}. Make it first."
        )
    if target.is_dir():
        raise ProfileFileError(f"{target} is a folder: add the name of a file.")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise ProfileFileError(f"{target} cannot be written: permission denied.")
    if target.exists() and not _is_profile(target):
        raise ProfileFileError(f"{target} exists and is no profile: remove it, or give another name.")
    return target


def read_profile(path: str | Path) -> Result:
    """Show an existing profile as if it had just been measured.

    Args:
        path: a .prof that cProfile has dumped, with this or another version of Python, or a speedscope JSON.

    Returns:
        A result with the same tables and charts; its wall time is not known.

    Raises:
        ProfileFileError: if there is no such file, or it is truncated or something else.
    """
    source = Path(path).expanduser()
    profile = read_profile_file(source)
    written = datetime.datetime.fromtimestamp(source.stat().st_mtime, datetime.UTC)
    start_time = written.isoformat(timespec="milliseconds")
    return Result(Trace(source.name, start_time, profile.attributed_ms, cpu=profile), "cpu")


def _writer(target: Path) -> Callable[[CpuProfile, str], bytes]:
    name = target.name.lower()
    if name.endswith(_SPEEDSCOPE):
        return _speedscope
    writers = {".prof": _prof, ".html": _page, ".htm": _page}
    if target.suffix.lower() not in writers:
        raise ProfileFileError(f"{target}: the name must end in {_SUFFIXES}.")
    return writers[target.suffix.lower()]


def _prof(profile: CpuProfile, name: str) -> bytes:
    # Version 2 of the format is read by every Python 3, and by tools that read it themselves.
    return marshal.dumps(exports.pstats_data(profile), 2)


def _speedscope(profile: CpuProfile, name: str) -> bytes:
    return json.dumps(exports.speedscope_data(profile, name), allow_nan=False).encode("ascii")


def _page(profile: CpuProfile, name: str) -> bytes:
    body = card(heading(name), join([cpu.as_html(profile), snakeviz.iframe(profile)]))
    return exports.page(name, body).encode("utf-8", "backslashreplace")


def _is_profile(target: Path) -> bool:
    """Whether a file is empty or of the kind that would be written in its place."""
    with target.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        return True
    if _writer(target) is _page:
        return head.startswith(exports.PAGE_MARK.encode())
    if _writer(target) is _speedscope:
        return exports.SPEEDSCOPE_SCHEMA.encode() in head
    return head[:1] in (b"{", b"\xfb")


def _replace(target: Path, content: bytes) -> None:
    """All of it or nothing: a full disk leaves the file that was there."""
    temporary = target.with_name(f".{target.name[:40]}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        if target.exists():
            temporary.chmod(target.stat().st_mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
