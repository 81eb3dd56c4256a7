"""Kinds of arguments that the magics take; what is wrong with one is said in a sentence."""

import argparse
import keyword
import math

from IPython.core.error import UsageError

from perfkit.magics._ipython import MagicError, usage
from perfkit.model.memory_growth import MIN_POINTS, WARM_UP


def statement_count(text: str) -> int:
    """A number of statements: 0 or more."""
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of statements; give 0 or more")


def milliseconds(text: str) -> float:
    """A time in milliseconds, more than 0; a trailing `ms` is allowed."""
    try:
        value = float(text.removesuffix("ms"))
    except ValueError:
        value = math.nan
    if 0 < value < math.inf:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a time in milliseconds; give a number such as 200")


def repeat_count(text: str) -> int:
    """How often to run a cell again: enough for a judgement."""
    least = WARM_UP + MIN_POINTS
    if text.isascii() and text.isdigit() and least <= int(text) <= 1000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} cannot be judged by; give a number from {least} to 1000")


def table_rows(text: str) -> tuple[str, float]:
    """A table and a number of rows: `orders=50_000_000`."""
    name, _, count = text.rpartition("=")
    digits = count.replace("_", "").replace(",", "")
    if name and digits.isascii() and digits.isdigit() and int(digits) > 0:
        return name, float(digits)
    raise argparse.ArgumentTypeError(f"{text!r} is no size; give a table and its rows: orders=50_000_000")


def add_proof(parser: argparse.ArgumentParser) -> None:
    """Let what would help a statement be tried."""
    parser.add_argument(
        "--prove",
        action="store_true",
        help="on PostgreSQL: try indexes and statistics, measure each, and roll them back",
    )
    parser.add_argument(
        "--rewrite",
        metavar="NAME",
        help="with --prove: the variable with another SQL text for the same result, to compare and measure",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="with --prove, --rows or --stats: also where the server is not perfkit's lab, and over 1 GB",
    )


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Let a plan be asked for at another size."""
    parser.add_argument(
        "--rows",
        metavar="TABLE=ROWS",
        type=table_rows,
        action="append",
        help="for SQL on PostgreSQL 18: the plan that the planner would choose if the table had so many rows",
    )
    parser.add_argument(
        "--stats",
        metavar="FILE",
        help="the same with the statistics of another database, written by pg_dump --statistics-only",
    )


def add_name(parser: argparse.ArgumentParser) -> None:
    """Let a cell magic store its result."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="store the result in this variable: its trace, its findings, its rows as a DataFrame",
    )


def add_target(parser: argparse.ArgumentParser) -> None:
    """Let a magic judge against a target time."""
    parser.add_argument(
        "--target",
        metavar="MS",
        type=milliseconds,
        help="the time that it should take at most, in milliseconds",
    )


def parse_line(parser: argparse.ArgumentParser, magic: str, line: str) -> argparse.Namespace:
    """Read the arguments of a magic.

    Raises:
        MagicError: if they are not what the magic takes.
    """
    try:
        arguments: argparse.Namespace = parser.parse_argstring(line)  # type: ignore[attr-defined]  # IPython's
        # Not by the parser: of `--nmax 3` it would find fault with the 3.
        _check_name(getattr(arguments, "name", None))
    except (UsageError, ValueError) as error:
        message = f"{magic}: {error}".rstrip(".")
        raise MagicError(f"{message}.\nIts arguments: {usage(parser)} ({magic}? explains them).") from None
    return arguments


def _check_name(name: str | None) -> None:
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise ValueError(f"{name!r} cannot name a variable; give a name such as before")
