"""What `%%profile` takes, and what it shows below the profile: the files written, the difference."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit.magics._arguments import add_name
from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._magic import CellMagic
from perfkit.magics._namespace import named_functions
from perfkit.magics._parts import Parts
from perfkit.magics._stored import stored_part
from perfkit.session import ProfileDiff, ProfileFileError, Result, checked_target
from perfkit.views._html import card, code, join


@dataclass(frozen=True)
class Written:
    """The files that were written, in one line."""

    paths: tuple[Path, ...]

    def __str__(self) -> str:
        return f"Written: {', '.join(map(str, self.paths))}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        names = join([code(str(path)) for path in self.paths], ", ")
        return {"text/plain": str(self), "text/html": card(join(["Written: ", names])).markup}


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument(
        "-l",
        metavar="FUNCTION",
        dest="lines",
        action="append",
        default=[],
        help="time this function (or module.function) line by line, by line_profiler; may be given several "
        "times, and takes the sampling engine",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        action="append",
        default=[],
        help="write the profile to this file: .prof for SnakeViz, tuna, gprof2dot and pstats, "
        ".speedscope.json, or .html that works offline; may be given several times",
    )
    parser.add_argument(
        "--engine",
        choices=("cprofile", "sampling"),
        help="cprofile (the default) counts every call; sampling looks at the stack every few milliseconds, "
        "for long runs and code that makes millions of calls",
    )
    parser.add_argument(
        "--diff",
        metavar="NAME",
        help="compare with the profile in this variable, function by function; if it is of another engine, "
        "by times alone",
    )


def _parts(shell: Shell, arguments: argparse.Namespace) -> Parts:
    arguments.output = [_target(text) for text in arguments.output]
    if arguments.diff is not None:
        # Looked up now: the cell may store its own result under the same name.
        arguments.before = stored_part(shell, "%%profile", arguments.diff, lambda trace: trace.cpu, "profile")
    if arguments.lines and arguments.engine == "cprofile":
        raise MagicError("%%profile: cProfile and -l exclude each other: leave --engine out.")
    functions = named_functions(shell, "%%profile", arguments.lines)
    return Parts(cpu="sampling" if arguments.lines else arguments.engine or True, line_times=functions)


def _target(text: str) -> Path:
    try:
        return checked_target(text.strip("\"'"))
    except (ProfileFileError, ValueError) as error:
        raise MagicError(f"%%profile: {error}") from None


def _follow(result: Result, arguments: argparse.Namespace) -> Iterator[object]:
    profile = result.trace.cpu
    if profile is None:
        return
    if arguments.diff is not None:
        yield ProfileDiff(arguments.before, profile, f"{arguments.diff} → {result.trace.name}")
    if arguments.output:
        yield _written(result, arguments.output)


def _written(result: Result, targets: list[Path]) -> Written:
    try:
        return Written(tuple(result.save_profile(target) for target in targets))
    except ProfileFileError as error:
        raise MagicError(f"%%profile: {error}") from None


PROFILE = CellMagic(
    "profile",
    "cpu",
    "Show where the cell spends its time, function by function.",
    _arguments,
    _parts,
    follow=_follow,
)
