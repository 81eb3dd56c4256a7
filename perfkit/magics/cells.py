"""The cell magics that measure Python: what each takes, what it measures, when it lets the cell fail."""

import argparse

from perfkit.magics._against import add_against, comparison, look_up_before
from perfkit.magics._arguments import add_name, add_proof, add_sizes, add_target, statement_count
from perfkit.magics._budget import QueryBudgetExceeded, over_budget
from perfkit.magics._ipython import MagicError, Shell
from perfkit.magics._magic import CellMagic
from perfkit.magics._parts import Parts
from perfkit.magics.explain_paste import wants_plan
from perfkit.magics.memtrace import MEMTRACE
from perfkit.magics.profile import PROFILE
from perfkit.session import PlanMode, Result


def _querycount_arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument(
        "--max",
        metavar="N",
        type=statement_count,
        help="let the cell fail if it sends more than N statements; what tasks send that ran before the cell "
        "is not counted",
    )
    parser.add_argument(
        "--params",
        action="store_true",
        help="show the values that are bound to the statements; they are then in the notebook too",
    )


def _querycount(shell: Shell, arguments: argparse.Namespace) -> Parts:
    return Parts(queries=True, parameters=arguments.params)


def _within_budget(result: Result, arguments: argparse.Namespace) -> QueryBudgetExceeded | None:
    if arguments.max is None or result.trace.statement_count <= arguments.max:
        return None
    return over_budget(result.trace, arguments.max)


def _diagnose_arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    add_target(parser)


def _diagnose(shell: Shell, arguments: argparse.Namespace) -> Parts:
    return Parts(queries=True, plans=True, cpu=True, memory="peak")


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what may stand after `%%explain`."""
    add_name(parser)
    parser.add_argument(
        "-e",
        "--engine",
        metavar="ENGINE",
        help="for SQL: the variable that holds the engine; not needed where the notebook has only one",
    )
    parser.add_argument(
        "--no-analyze", action="store_true", help="for SQL: plan the statement without executing it"
    )
    parser.add_argument(
        "--analyze-writes",
        action="store_true",
        help="for SQL that writes: execute it to measure it, and roll it back; sequences stay advanced",
    )
    parser.add_argument(
        "--auto",
        action="store_true",
        help="for Python on PostgreSQL, as a superuser: the plans of the run itself, by auto_explain",
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="the cell holds a plan of PostgreSQL itself, pasted from psql, pgAdmin, DBeaver or a log",
    )
    add_proof(parser)
    add_sizes(parser)
    add_against(parser)


def _explain(shell: Shell, arguments: argparse.Namespace) -> Parts:
    for_sql = {
        "--no-analyze": arguments.no_analyze,
        "--analyze-writes": arguments.analyze_writes,
        "--rewrite": arguments.rewrite,
        "--rows": arguments.rows,
        "--stats": arguments.stats,
        "--yes": arguments.yes and not arguments.prove,
    }
    option = next((name for name, is_given in for_sql.items() if is_given), None)
    if arguments.engine is not None or option:
        option = option or "-e"
        raise MagicError(
            f"%%explain: {option} is for a cell of SQL, and this cell is Python.\n"
            "Without it, the plan of every statement that the cell sends is shown."
        )
    look_up_before(shell, arguments)
    if arguments.auto and arguments.prove:
        raise MagicError("%%explain: --auto takes the plans of the run, and --prove runs it again: give one.")
    plans: PlanMode = "prove" if arguments.prove else "auto" if arguments.auto else True
    return Parts(queries=True, plans=plans, confirm=arguments.yes)


def _explain_wanted(line: str) -> str:
    if wants_plan(line):
        return "Paste a plan of PostgreSQL below it, as text, JSON, YAML or XML."
    return "Write a statement of SQL below it, or Python that sends statements."


CELL_MAGICS = (
    CellMagic(
        "querycount",
        "queries",
        "Show every statement that the cell sends: its time, its rows, the line and the loop that sent it.",
        _querycount_arguments,
        _querycount,
        _within_budget,
    ),
    CellMagic(
        "explain",
        "plans",
        "Show the plan of the SQL in the cell, of all statements that its Python sends, or a pasted plan.",
        explain_arguments,
        _explain,
        follow=comparison,
        wanted=_explain_wanted,
    ),
    PROFILE,
    MEMTRACE,
    CellMagic(
        "diagnose",
        "all",
        "Measure statements, plans, function times and memory of the cell, and name what makes it slow.",
        _diagnose_arguments,
        _diagnose,
    ),
)
