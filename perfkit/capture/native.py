"""Allocations of Python and of C code, by memray, where it is installed (Linux, macOS)."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from perfkit.capture._code_origin import origin
from perfkit.capture.call_site import code_location
from perfkit.capture.patches import Patches
from perfkit.model.location import CodeLocation
from perfkit.model.native import AllocatingFunction, AllocationStack, NativeProfile

_MOST_STACKS = 2000
Frame = tuple[str, str, int]


class NativeUnavailableError(RuntimeError):
    """memray is not here, or cannot run here."""


def check_available() -> None:
    """Raise `NativeUnavailableError`, with what to do, where memray cannot be used."""
    if sys.platform not in ("linux", "darwin"):
        raise NativeUnavailableError("--native needs memray, which runs on Linux and macOS only.")
    if find_spec("memray") is None:
        raise NativeUnavailableError("--native needs memray, which is not installed: pip install memray")
    try:
        import memray  # noqa: F401 - whether its C part loads on this Python
    except Exception as error:
        raise NativeUnavailableError(f"memray does not load here: {type(error).__name__}: {error}") from None


class NativeRecorder:
    """Records every allocation of the process between start and stop; its file is removed in any case."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._tracker: Any = None

    def start(self) -> None:
        """Begin.

        Raises:
            NativeUnavailableError: if memray is recording already, or cannot.
        """
        import memray

        self._folder = Path(tempfile.mkdtemp(prefix="perfkit-memray-"))
        # Once a process, memray prints that it is new to greenlets, which SQLAlchemy always loads.
        banner = Patches()
        banner.replace(memray._memray, "print_greenlet_warning", lambda _print: lambda: None)
        try:
            self._tracker = memray.Tracker(
                self._folder / "allocations.bin",
                native_traces=True,
                file_format=memray.FileFormat.AGGREGATED_ALLOCATIONS,
            )
            self._tracker.__enter__()
        except Exception as error:
            self._tracker = None
            self._remove()
            raise NativeUnavailableError(f"memray cannot record: {error}") from None
        finally:
            banner.restore()

    def halt(self) -> None:
        """End recording. Idempotent."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            tracker.__exit__(None, None, None)

    def stop(self) -> NativeProfile | None:
        """What was alive at the peak; `None` if nothing was recorded."""
        self.halt()
        if self._folder is None:
            return None
        try:
            return _read(self._folder / "allocations.bin")
        finally:
            self._remove()

    def discard(self) -> None:
        """End without a result."""
        self.halt()
        self._remove()

    def _remove(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> NativeProfile:
    import memray

    reader = memray.FileReader(path)
    try:
        records = reader.get_high_watermark_allocation_records(merge_threads=True)
        return _profile((_frames(record), record.size, record.n_allocations) for record in records)
    finally:
        reader.close()


def _frames(record: Any) -> list[Frame]:
    """Outermost first."""
    return list(reversed(record.hybrid_stack_trace()))


def _profile(records: Any) -> NativeProfile:
    sizes: Counter[tuple[Frame, ...]] = Counter()
    counts: Counter[tuple[Frame, ...]] = Counter()
    for frames, size, count in records:
        path = tuple(_key(frame) for frame in _below_the_host(frames))
        sizes[path] += size
        counts[path] += count
    numbers: dict[Frame, int] = {}
    stacks = [
        AllocationStack(tuple(numbers.setdefault(frame, len(numbers)) for frame in path), size, counts[path])
        for path, size in sizes.most_common(_MOST_STACKS)
        if path
    ]
    functions = tuple(_function(frame) for frame in numbers)
    return NativeProfile(sum(sizes.values()), functions, tuple(stacks))


def _below_the_host(frames: Sequence[Frame]) -> Sequence[Frame]:
    """The person's part of a stack: below IPython, the kernel and perfkit."""
    last = max((i for i, frame in enumerate(frames) if _is_host(frame)), default=-1)
    inside = frames[last + 1 :]
    first_python = next((i for i, frame in enumerate(inside) if _is_python(frame)), 0)
    return inside[first_python:]


def _is_host(frame: Frame) -> bool:
    return _is_python(frame) and origin(frame[1]) in ("host", "own")


def _is_python(frame: Frame) -> bool:
    file_path = frame[1]  # memray calls the file of C code without debug information `<unknown>`
    return file_path.endswith(".py") or (file_path.startswith("<") and file_path != "<unknown>")


def _key(frame: Frame) -> Frame:
    """Lines of the person's are told apart; of other code the function is enough."""
    function, file_path, _ = frame
    if not _is_python(frame):
        return function, "~", 0
    return frame if origin(file_path) == "user" else (function, file_path, 0)


def _function(frame: Frame) -> AllocatingFunction:
    function, file_path, line = frame
    if file_path == "~":
        return AllocatingFunction(CodeLocation("~", 0, function, None, ""))
    return AllocatingFunction(code_location(file_path, line, function), origin(file_path) == "user")
