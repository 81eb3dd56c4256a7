"""One attempt after the other, each as often as it takes to judge it."""

from dataclasses import replace

from sqlalchemy.engine import Connection

from perfkit.model.what_if import Attempt, ProofVerdict, Runs
from perfkit.proof import _what_if_times as times
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._what_if_designs import Design


def attempt_all(
    connection: Connection,
    explain: trial.Explainer,
    designs: list[Design],
    base: Runs,
    *,
    explain_base: trial.Explainer | None = None,
) -> tuple[list[Attempt], Runs]:
    """Try designs, each in a transaction of its own; when the connection is lost, the rest is not tried.

    Args:
        connection: without an open transaction.
        explain: executes the statement on this connection and returns its plan.
        designs: what to try.
        base: the runs without any change.
        explain_base: executes what these runs are of, where that is another statement.

    Returns:
        The attempts in the order of the designs, and all runs without any change.
    """
    attempts: list[Attempt] = []
    for design in designs:
        if connection.invalidated:
            attempts.append(verdict.untried(design, ProofVerdict.INCONCLUSIVE, "Not tried any more."))
            continue
        try:
            base, outcome = _tried(connection, explain, explain_base or explain, design, base)
            attempts.append(verdict.judged(design, base, outcome))
        except trial.UntriedError as error:
            attempts.append(verdict.untried(design, ProofVerdict.INCONCLUSIVE, str(error)))
        except trial.UnsuitableError as error:
            attempts.append(verdict.untried(design, ProofVerdict.REJECTED, str(error)))
    return attempts, base


def _tried(
    connection: Connection,
    explain: trial.Explainer,
    explain_base: trial.Explainer,
    design: Design,
    base: Runs,
) -> tuple[Runs, trial.Outcome]:
    """One attempt, with more runs of both sides in turns where three do not tell."""
    outcome = trial.run_trial(connection, explain, design)
    for _ in range(times.MORE_ROUNDS):
        round_ms = (outcome.build_ms or 0.0) + times.RUNS * (base.median_ms + outcome.runs.median_ms)
        if round_ms > times.MORE_MS or not verdict.is_open(design, base, outcome):
            break
        try:
            more = trial.run_base(connection, explain_base)
            again = trial.run_trial(connection, explain, design)
        except (trial.ProofRefusedError, trial.UntriedError):
            break
        base = times.together(base, more.runs)
        outcome = replace(again, runs=times.together(outcome.runs, again.runs))
    return base, outcome
