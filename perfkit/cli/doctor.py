"""`perfkit doctor`: what works on this machine."""

import argparse
from typing import Any

from perfkit.cli._shared import say, table


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor",
        help="see what works on this machine, what does not, and what to do",
        description="Check what perfkit needs. The exit code is 1 when something necessary does not work.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check everything; 0 when all that is necessary works."""
    from perfkit.cli._checks import check_all

    checks = check_all()
    say(table(("", "what", "found"), [(check.state, check.name, check.found) for check in checks]))
    remedies = [check for check in checks if check.remedy]
    if remedies:
        say("\nWhat to do:")
        for check in remedies:
            say(f"  {check.name}: {check.remedy}")
    return 1 if any(check.state == "FAIL" for check in checks) else 0
