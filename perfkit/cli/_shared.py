"""What the subcommands share: saying things, tables, options, and one kind of error."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class CommandError(Exception):
    """The command cannot do what was asked; the message says why and what to do."""


def say(text: str = "") -> None:
    """Write a line of the command's answer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write a line about what went wrong, on the error stream."""
    sys.stderr.write(f"perfkit: {text}\n")
    sys.stderr.flush()


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text; the last one is not filled up, so that a long remark does not make every line long."""
    lines = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers) - 1)]
    padded = (
        "  ".join([*(t.ljust(w) for t, w in zip(line, widths, strict=False)), line[-1]]) for line in lines
    )
    text = [line.rstrip() for line in padded]
    return "\n".join([text[0], "-" * max(len(line) for line in text), *text[1:]])


@contextmanager
def lab_errors() -> Iterator[None]:
    """Turn what the lab says into the command's own error."""
    from perfkit.lab import LabError

    try:
        yield
    except LabError as error:
        raise CommandError(str(error)) from error


def add_database_options(parser: argparse.ArgumentParser, *, scale: bool = True) -> None:
    """Add the options that say which shop on which server."""
    if scale:
        parser.add_argument(
            "--scale", metavar="SCALE", help="size of the sample data: tiny, small, full or a factor"
        )
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="your own PostgreSQL instead of the embedded one (also: PERFKIT_DATABASE_URL)",
    )


def add_create_option(parser: argparse.ArgumentParser) -> None:
    """Add the permission to create tables on the user's own server."""
    parser.add_argument(
        "--create", action="store_true", help="allow tables to be created in your own database"
    )
