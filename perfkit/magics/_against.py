"""`%%explain --against NAME`: the plans that a variable holds, beside those of the cell."""

import argparse
from collections.abc import Iterator

from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._namespace import variable
from perfkit.model.plan import Plan
from perfkit.model.trace import Trace
from perfkit.session import Measurement, PlanComparison, Result


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
    found = variable(shell.user_ns, name)
    # Types are looked at, never the objects: a user's proxy may do anything when it is touched.
    if issubclass(type(found), Measurement):
        found = found.result
    if issubclass(type(found), Result):
        found = found.trace
    if issubclass(type(found), Plan):
        return (found,)
    if not issubclass(type(found), Trace) or not found.plans:
        raise MagicError(f"%%explain: {name!r} holds no plan. Store one by %%explain {name}.")
    plans: tuple[Plan, ...] = found.plans
    return plans
