"""What `%%memtrace` takes, and what it measures."""

import argparse
from collections.abc import Iterator
from typing import Literal

from perfkit.capture.native import NativeUnavailableError, check_available
from perfkit.magics._arguments import add_name, repeat_count
from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._magic import CellMagic
from perfkit.magics._namespace import named_functions
from perfkit.magics._parts import Parts
from perfkit.magics._stored import stored_part
from perfkit.model.memory_growth import WARM_UP
from perfkit.session import MemoryDiff, Result


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument(
        "-f",
        "--function",
        metavar="FUNCTION",
        action="append",
        default=[],
        help="measure this function (or module.function) line by line; may be given several times",
    )
    parser.add_argument(
        "--peak",
        action="store_true",
        help="no growth by line, which slows allocations and whose tables stand in the peak: the exact peak",
    )
    parser.add_argument(
        "--native",
        action="store_true",
        help="who had allocated what at the peak, C code included, as a flame chart; needs memray",
    )
    parser.add_argument(
        "--diff",
        metavar="NAME",
        help="compare with the memory result in this variable: in all, by line and by type",
    )
    parser.add_argument(
        "--repeat",
        metavar="N",
        type=repeat_count,
        help=f"run the cell N times more and judge whether memory grows; {WARM_UP} runs are warm-up",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="with --repeat: also a cell that writes files, data or runs programs",
    )


def _parts(shell: Shell, arguments: argparse.Namespace) -> Parts:
    if arguments.repeat and (arguments.peak or arguments.function or arguments.native):
        raise MagicError(
            "%%memtrace: --repeat goes without --peak, --native and -f, which leave out what it needs."
        )
    if arguments.native:
        _check_native(arguments)
    if arguments.diff is not None:
        # Looked up now: the cell may store its own result under the same name.
        arguments.before = stored_part(
            shell, "%%memtrace", arguments.diff, lambda trace: trace.memory, "memory result"
        )
    functions = named_functions(shell, "%%memtrace", arguments.function)
    memory: bool | Literal["peak", "native"] = True
    if arguments.native or arguments.peak:
        memory = "native" if arguments.native else "peak"
    return Parts(memory=memory, functions=functions)


def _follow(result: Result, arguments: argparse.Namespace) -> Iterator[object]:
    if arguments.diff is not None and result.trace.memory is not None:
        yield MemoryDiff(arguments.before, result.trace.memory, f"{arguments.diff} → {result.trace.name}")


def _check_native(arguments: argparse.Namespace) -> None:
    if arguments.peak or arguments.function:
        raise MagicError(
            "%%memtrace: --native goes without --peak and -f: what it records is in their sizes."
        )
    try:
        check_available()
    except NativeUnavailableError as error:
        raise MagicError(f"%%memtrace: {error}") from None


MEMTRACE = CellMagic(
    "memtrace",
    "memory",
    "Show how much memory the cell takes: its peak, its course over time, and growth by line.",
    _arguments,
    _parts,
    follow=_follow,
)
