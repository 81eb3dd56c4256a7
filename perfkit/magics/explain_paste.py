"""`%%explain --plan` on a plan that was pasted into the cell, and the help for those who forget `--plan`."""

import argparse

from perfkit.magics._ipython import MagicError
from perfkit.model.plan_paste import looks_like_plan
from perfkit.model.plan_reader import PlanFormatError
from perfkit.session import Result, read_plan

# What a plan without a database can do; every other argument needs one.
_FOR_PLANS = frozenset({"name", "plan", "against"})


def wants_plan(line: str) -> bool:
    """Whether the arguments of `%%explain` say that a plan stands below."""
    return "--plan" in line.split()


def refuse_plan_without_option(body: str) -> None:
    """Say how a pasted plan is shown.

    Raises:
        MagicError: if the cell holds one.
    """
    if looks_like_plan(body):
        raise MagicError("%%explain: this is a plan already. Show it with %%explain --plan")


def read_cell(arguments: argparse.Namespace, body: str) -> Result:
    """The plan in a cell, judged.

    Args:
        arguments: of `%%explain`, with `--plan`.
        body: the text below the line of the magic.

    Raises:
        MagicError: if it cannot be read, or an argument needs a database.
    """
    given = next((name for name, value in vars(arguments).items() if value and name not in _FOR_PLANS), None)
    if given:
        option = "-e" if given == "engine" else f"--{given.replace('_', '-')}"
        raise MagicError(f"%%explain: {option} asks a database, and --plan shows what is pasted below it.")
    try:
        # The line of the magic is the first of the cell, so that the numbers equal the editor's.
        return read_plan(f"\n{body}")
    except PlanFormatError as error:
        raise MagicError(f"%%explain: {error}") from None
