"""The `perfkit` command. Each subcommand is a module here and imports what it needs when it runs."""

import argparse
import os
import sys
from collections.abc import Sequence

from perfkit.cli import data, doctor, jupyter, report, rule, tour
from perfkit.cli._shared import CommandError, complain, say

_COMMANDS = (tour, jupyter, report, data, doctor, rule)
# 128 + SIGINT, as shells report a program that Ctrl-C ended.
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the arguments after the program's name; those of the process by default.

    Returns:
        0 when all went well, 1 when something failed, 130 after Ctrl-C. Wrong usage ends the process
        with 2, as `argparse` does it.
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:
        complain("Interrupted; nothing is left running.")
        return _INTERRUPTED
    except Exception as error:
        if os.environ.get("PERFKIT_DEBUG"):
            raise
        _explain(error)
        return 1
    return code


def _explain(error: Exception) -> None:
    if isinstance(error, CommandError):
        complain(str(error))
    elif isinstance(error, BrokenPipeError):
        # The reader of our output left; Python would complain again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        complain(
            f"perfkit itself failed: {type(error).__name__}: {error}\n"
            "Run it again with PERFKIT_DEBUG=1 for the traceback, and please report it."
        )


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        say(f"perfkit {version('perfkit')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perfkit",
        description="Find out why database-backed Python is slow: the cause, the fix, the proof.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_to(commands)
    return parser
