"""`%%explain --against NAME`: the plans that a variable holds, beside those of the cell."""

import argparse
from collections.abc import Iterator
from typing import cast

from perfkit.magics._ipython import Shell
from perfkit.magics._stored import stored, stored_part
from perfkit.model.plan import Plan
from perfkit.session import PlanComparison, Result


def add_against(parser: argparse.ArgumentParser) -> None:
    """Let a magic compare plans with earlier ones."""
    parser.add_argument(
        "--against",
        metavar="NAME",
        help="show the plans beside those in this variable: a result, a trace or a plan from before",
    )


def look_up_before(shell: Shell, arguments: argparse.Namespace) -> None:
    """Find the plans of `--against` before the cell runs: it may store its own result under that name.

    Raises:
        MagicError: if the variable is unknown or holds no plan.
    """
    if arguments.against is not None:
        arguments.before = _plans_of(shell, arguments.against)


def comparison(result: Result, arguments: argparse.Namespace) -> Iterator[PlanComparison]:
    """What is shown below the result, where it was asked for and the cell has a plan."""
    if arguments.against is not None and result.trace.plans:
        title = f"{arguments.against} → {arguments.name or 'this cell'}"
        yield PlanComparison(arguments.before, result.trace.plans, title)


def _plans_of(shell: Shell, name: str) -> tuple[Plan, ...]:
    found = stored(shell, "%%explain", name)
    if issubclass(type(found), Plan):
        return (cast(Plan, found),)
    return stored_part(shell, "%%explain", name, lambda trace: trace.plans, "plan")
