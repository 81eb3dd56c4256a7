"""Profiles out of files: what cProfile dumps (.prof), and speedscope's JSON, which py-spy writes too."""

import json
import marshal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from perfkit.capture._code_origin import origin
from perfkit.capture._function_rows import Edge, Label, Row, functions_of, numbered
from perfkit.capture._sampled_stacks import Moments, functions_and_stacks, without_repeats
from perfkit.model.cpu import SAMPLES_MARK, CpuProfile, FunctionProfile, StackTime

# `marshal` marks a dictionary so, alone or where it may be referred to again.
_DICT_CODES = (b"{", b"\xfb")
_NO_WALL_TIME = "The file holds no wall time, so what the profile does not account for is not known."
_UNITS_S = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}
_KINDS = "a .prof that cProfile has dumped, or a speedscope JSON"


class ProfileFileError(ValueError):
    """A profile cannot be read from, or written to, a file; the message says why in one line."""


def read_profile_file(path: Path) -> CpuProfile:
    """Read a profile.

    Args:
        path: a .prof, of whichever version of Python, or a speedscope JSON.

    Returns:
        The profile; its wall time is not known.

    Raises:
        ProfileFileError: if there is no such file, or something else in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileFileError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not data:
        raise ProfileFileError(f"{path} is empty. Give {_KINDS}.")
    if data.startswith(_DICT_CODES) and not _is_json(data):
        return profile_of_pstats(_unmarshalled(data, path), path)
    if data.lstrip()[:1] == b"{":
        return profile_of_speedscope(_json(data, path), path)
    raise ProfileFileError(f"{path} is no profile. Give {_KINDS}.")


def _is_json(data: bytes) -> bool:
    return data.startswith(b"{") and data[1:].lstrip()[:1] in (b'"', b"}")


def _unmarshalled(data: bytes, path: Path) -> object:
    try:
        return marshal.loads(data)  # noqa: S302 - the format of pstats; data only, nothing of it is run
    except EOFError:
        raise ProfileFileError(f"{path} is truncated: write the profile again.") from None
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise ProfileFileError(f"{path} is damaged, or no profile. Give {_KINDS}.") from None


def _json(data: bytes, path: Path) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ProfileFileError(f"{path} is truncated or no profile. Give {_KINDS}.") from None


def profile_of_pstats(data: object, path: Path) -> CpuProfile:
    """The profile that `pstats` keeps as a dictionary.

    Args:
        data: what `marshal` read.
        path: for messages.

    Raises:
        ProfileFileError: if it is something else.
    """
    if not isinstance(data, Mapping):
        raise ProfileFileError(f"{path} is no profile. Give {_KINDS}.")
    counts_samples = SAMPLES_MARK in data
    try:
        rows = {_label(key): value for key, value in data.items() if key != SAMPLES_MARK}
        graph = {key: _row(key, value, rows) for key, value in rows.items()}
    except (TypeError, ValueError, IndexError, AttributeError):
        raise ProfileFileError(
            f"{path} is no profile: marshalled, but not by pstats. Give {_KINDS}."
        ) from None
    functions = functions_of(graph, numbered(graph), has_sources=False)
    attributed_ms = sum(function.tottime for function in functions) * 1000
    return _without_clock(path, attributed_ms, functions, counts="samples" if counts_samples else "calls")


def profile_of_speedscope(
    data: object,
    path: Path,
    *,
    leave_out: Callable[[str], bool] = lambda name: False,
    are_threads: bool = False,
) -> CpuProfile:
    """The profile that speedscope's format holds as weighted stacks.

    Args:
        data: what was read as JSON.
        path: for messages.
        leave_out: told the name of each of the profiles in the file, says whether to leave it out.
        are_threads: whether they stand for threads, each of which then gets an entry of its own.

    Raises:
        ProfileFileError: if it is something else, or a recording of events instead of stacks.
    """
    try:
        assert isinstance(data, Mapping)
        labels = [_frame_label(frame) for frame in data["shared"]["frames"]]
        chosen = [p for p in data["profiles"] if not leave_out(p["name"])]
        seen = [moments for profile in chosen for moments in _moments(profile, labels, are_threads)]
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, AssertionError):
        raise ProfileFileError(f"{path} is no profile of weighted stacks. Give {_KINDS}.") from None
    functions, stacks = functions_and_stacks(seen, has_sources=False)
    attributed_ms = sum(moments.time_s for moments in seen) * 1000
    return _without_clock(path, attributed_ms, functions, counts="samples", stacks=stacks)


def _without_clock(
    path: Path,
    attributed_ms: float,
    functions: tuple[FunctionProfile, ...],
    *,
    counts: Literal["calls", "samples"],
    stacks: tuple[StackTime, ...] = (),
) -> CpuProfile:
    """A profile from a file, which says nothing of the time on the clock."""
    return CpuProfile(
        f"read from {path.name}",
        wall_ms=attributed_ms,
        attributed_ms=attributed_ms,
        cpu_ms=0.0,
        functions=functions,
        notes=(_NO_WALL_TIME,),
        counts=counts,
        stacks=stacks,
        is_wall_known=False,
    )


def _label(key: Any) -> Label:
    file_path, line_number, name = key
    if not (isinstance(file_path, str) and isinstance(line_number, int) and isinstance(name, str)):
        raise TypeError
    return file_path, line_number, name


def _row(label: Label, row: Any, known: Mapping[Label, Any]) -> Row:
    primitive_calls, calls, tottime, cumtime, callers = row
    edges = {_label(key): _edge(edge) for key, edge in callers.items() if key in known}
    totals = (int(calls), int(primitive_calls), float(tottime), float(cumtime))
    return Row(label, origin(label[0]), *totals, edges)


def _edge(calls: Any) -> Edge:
    if isinstance(calls, int):  # the pure-Python `profile` module keeps the count only
        return Edge(calls, calls)
    primitive_calls, ncalls, tottime, cumtime = calls
    return Edge(int(ncalls), int(primitive_calls), float(tottime), float(cumtime))


def _frame_label(frame: Any) -> Label:
    return _label((frame.get("file") or "~", frame.get("line") or 0, frame["name"]))


def _moments(profile: Any, labels: Sequence[Label], is_thread: bool) -> list[Moments]:
    thread: tuple[Label, ...] = (("~", 0, f"{profile['name']}"),) if is_thread else ()
    unit_s = _UNITS_S[profile["unit"]] if profile["unit"] != "none" else 1.0
    found = []
    for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
        path = without_repeats([*thread, *(labels[number] for number in stack)])
        found.append(Moments((path,), float(weight) * unit_s, 1))
    return found
