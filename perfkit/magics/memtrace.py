"""What `%%memtrace` takes, and what it measures."""

import argparse
import re

from perfkit.capture.named_functions import functions_in
from perfkit.magics._arguments import add_name
from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._magic import CellMagic
from perfkit.magics._namespace import variable
from perfkit.magics._parts import Parts


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


def _parts(shell: Shell, arguments: argparse.Namespace) -> Parts:
    for name in arguments.function:
        if not _cell_defines(shell, name):
            variable(shell.user_ns, name)
    try:
        functions = functions_in(shell.user_ns, arguments.function)
    except (LookupError, TypeError) as error:
        raise MagicError(f"%%memtrace: {error}") from None
    return Parts(memory="peak" if arguments.peak else True, functions=tuple(functions))


def _cell_defines(shell: Shell, name: str) -> bool:
    """Whether the function may come to be while the cell runs."""
    cell = shell.displayhook.exec_result
    definition = rf"^\s*(async\s+)?def\s+{re.escape(name)}\b"
    return cell is not None and re.search(definition, cell.info.raw_cell, re.MULTILINE) is not None


MEMTRACE = CellMagic(
    "memtrace",
    "memory",
    "Show how much memory the cell takes: its peak, its course over time, and growth by line.",
    _arguments,
    _parts,
)
