"""Kinds of arguments that the magics take; what is wrong with one is said in a sentence."""

import argparse
import keyword
import math


def variable_name(text: str) -> str:
    """The name of a variable to store a result in."""
    if text.isidentifier() and not keyword.iskeyword(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} cannot name a variable; give a name such as before")


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


def add_name(parser: argparse.ArgumentParser) -> None:
    """Let a cell magic store its result."""
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        type=variable_name,
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
