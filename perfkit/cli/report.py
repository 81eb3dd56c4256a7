"""`perfkit report`: run notebooks and write their reports."""

import argparse
from pathlib import Path
from typing import Any

from perfkit.cli._notebooks import Plan, make_reports


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "report",
        help="run notebooks and write one offline HTML report each, and an index",
        description="Run notebooks and write one self-contained HTML file each, and index.html. "
        "The notebook files are not changed. A failing cell fails the command; its report is still written.",
    )
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("reports"), metavar="DIR", help="default: reports"
    )
    parser.add_argument("--as-is", action="store_true", help="take the outputs in the file; run nothing")
    parser.add_argument(
        "--timeout",
        type=positive_seconds,
        metavar="S",
        help="longest time for one cell, in seconds; default 600",
    )
    parser.set_defaults(run=run)


def positive_seconds(text: str) -> float:
    """A duration above zero from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above zero")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Write the reports; 0 when every notebook ran to its end."""
    plan = Plan(arguments.notebooks, arguments.output, as_is=arguments.as_is, timeout_s=arguments.timeout)
    return make_reports(plan)
