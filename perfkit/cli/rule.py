"""`perfkit rule`: what a rule finds, why it matters, and its thresholds."""

import argparse
import inspect
from typing import TYPE_CHECKING, Any

from perfkit.cli._shared import CommandError, say, table

if TYPE_CHECKING:
    from perfkit.rules._rule import Rule


def add_to(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("rule", help="show what a rule finds, why, and its thresholds")
    parser.add_argument(
        "code", nargs="?", metavar="CODE", help="such as PK101 or n-plus-one; without it, list all"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show one rule, or the list of all."""
    from perfkit.rules import all_rules, find_rule

    if arguments.code is None:
        rows = [(rule.code, rule.name, rule.requires, _first_line(rule)) for rule in all_rules()]
        say(table(("code", "name", "reads", "finds"), rows))
        return 0
    found = find_rule(arguments.code)
    if found is None:
        codes = ", ".join(f"{rule.code} {rule.name}" for rule in all_rules())
        raise CommandError(f"There is no rule {arguments.code}. There are: {codes}.")
    say(describe(found))
    return 0


def describe(rule: "Rule") -> str:
    """A rule's documentation as text: its own words, its thresholds, and how many examples it is held to."""
    parameters = inspect.signature(rule.check).parameters.values()
    thresholds = [
        f"    {parameter.name} = {parameter.default!r}"
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    heading = f"{rule.code} {rule.name} (reads {rule.requires})"
    return "\n".join(
        [
            heading,
            "=" * len(heading),
            _documentation(rule),
            "",
            "Thresholds as set:",
            *(thresholds or ["    none"]),
            "",
            f"Held to {len(rule.fires_on)} traces on which it fires and "
            f"{len(rule.silent_on)} on which it stays silent.",
        ]
    )


def _documentation(rule: "Rule") -> str:
    module = inspect.getmodule(rule.check)
    return inspect.getdoc(module) or "" if module is not None else ""


def _first_line(rule: "Rule") -> str:
    return next(iter(_documentation(rule).splitlines()), "")
