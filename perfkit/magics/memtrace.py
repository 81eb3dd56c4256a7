"""What `%%memtrace` takes, and what it measures."""

import argparse

from perfkit.magics._arguments import add_name, repeat_count
from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._magic import CellMagic
from perfkit.magics._namespace import named_functions
from perfkit.magics._parts import Parts
from perfkit.model.memory_growth import WARM_UP


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
    if arguments.repeat and (arguments.peak or arguments.function):
        raise MagicError("%%memtrace: --repeat goes without --peak and -f, which leave out what it needs.")
    functions = named_functions(shell, "%%memtrace", arguments.function)
    return Parts(memory="peak" if arguments.peak else True, functions=functions)


MEMTRACE = CellMagic(
    "memtrace",
    "memory",
    "Show how much memory the cell takes: its peak, its course over time, and growth by line.",
    _arguments,
    _parts,
)
