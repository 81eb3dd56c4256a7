"""Another statement for the same result: compared first, then measured like everything else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.model.plan import Plan
from perfkit.model.what_if import Attempt, ProofVerdict, Runs
from perfkit.model.wording import counted
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._what_if_attempts import RolledBack, attempt_all
from perfkit.proof._what_if_conditions import parsed
from perfkit.proof._what_if_designs import Design
from perfkit.proof.equivalence import same_result

# Both results are held in memory to be compared: some hundred megabytes at most.
MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Rows:
    """A result: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Another statement. `explain` executes it and returns its plan, `fetch` returns the rows of a text."""

    text: str
    explain: trial.Explainer
    fetch: Callable[[str], Rows]


def try_rewrite(
    connection: Connection, plan: Plan, explain: trial.Explainer, rewrite: Rewrite, base: Runs
) -> tuple[list[Attempt], Runs]:
    """Measure a rewritten statement, if it returns the same.

    Args:
        connection: without an open transaction.
        plan: the measured plan of the statement as it is.
        explain: executes that one once more.
        rewrite: the other one.
        base: the runs of the statement as it is.

    Returns:
        One attempt, and all runs of the statement as it is. Where the results differ, or cannot be
        compared, the attempt is rejected with the reason.
    """
    design = Design("rewrite", "the rewritten statement", (), rewrite.text, plan.root, (), "")
    reason = _difference(connection, plan, rewrite)
    if reason:
        return [verdict.untried(design, ProofVerdict.REJECTED, reason)], base
    return attempt_all(RolledBack(connection, rewrite.explain, explain), [design], base)


def _difference(connection: Connection, plan: Plan, rewrite: Rewrite) -> str | None:
    """Why the rewritten statement is not measured; `None` where it returns the same."""
    try:
        with trial.rolled_back(connection):
            other = rewrite.explain()
        counts = [round(one.root.total_rows or 0.0) for one in (plan, other)]
        if not other.analyzed:
            return "The rewritten statement was not executed: " + (other.notes or ("it writes.",))[-1]
        if counts[0] != counts[1]:
            return f"Not the same result: {counted(counts[1], 'row')} instead of {counts[0]:,}."
        if counts[0] > MAX_ROWS:
            return f"{counts[0]:,} rows are too many to compare; up to {MAX_ROWS:,} are. Ask for fewer."
        with trial.rolled_back(connection, is_snapshot=True):
            return _compared(plan.query_text, rewrite)
    except RuntimeError as error:
        return f"The rewritten statement cannot be measured. {error}"
    except SQLAlchemyError as error:
        return f"The results could not be fetched ({type(error).__name__})."


def _compared(text: str, rewrite: Rewrite) -> str | None:
    before, after = rewrite.fetch(text), rewrite.fetch(rewrite.text)
    if before.columns != after.columns:
        return "Not the same result: the columns have other names, or another order."
    tree = parsed(text)
    is_ordered = tree is not None and tree.args.get("order") is not None
    answer = same_result(before.rows, after.rows, ordered=is_ordered)
    if answer.equal:
        return None
    return f"{'Not the same result' if answer.equal is False else 'Not measured'}: {answer.reason}."
