"""`%pyspy`: a record of a running process."""

import argparse
import math
import os

from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics.lines import LineMagic
from perfkit.session import PySpyError, Result, record_process

_LONGEST_S = 600


def _process(text: str) -> int:
    if text == "kernel":
        return os.getpid()
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no process: give its number, or kernel")


def _seconds(text: str) -> float:
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = math.nan
    if 1 <= value <= _LONGEST_S:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is no duration: give 1 to {_LONGEST_S} seconds")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "process",
        metavar="PID|kernel",
        type=_process,
        help="number of a running Python process, or kernel for the other threads of this one",
    )
    parser.add_argument(
        "-d", "--duration", metavar="SECONDS", type=_seconds, default=5.0, help="for how long; 5 seconds"
    )


def _run(shell: Shell, arguments: argparse.Namespace) -> Result:
    try:
        return record_process(arguments.process, duration_s=arguments.duration)
    except PySpyError as error:
        raise MagicError(f"%pyspy: {error}") from None


PYSPY = LineMagic(
    "pyspy", "Record a running process from outside by py-spy, with all of its threads.", _arguments, _run
)
