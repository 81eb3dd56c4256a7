"""One attempt after the other, each as often as it takes to judge it."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

from sqlalchemy.engine import Connection

from perfkit.model.what_if import Attempt, ProofVerdict, Runs
from perfkit.proof import _what_if_times as times
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._what_if_designs import Design

# What a person waits for without leaving. Past it, nothing more is begun: the most promising came first.
MAX_PROOF_S = 120.0


class Trials(Protocol):
    """How things are tried on a database: each trial leaves nothing behind."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection was lost, so that nothing more can be tried."""

    def run_base(self) -> trial.Outcome:
        """Execute the statement as it is."""

    def run_trial(self, design: Design) -> trial.Outcome:
        """Execute it with a change."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Trials on PostgreSQL: each in a transaction of its own that is rolled back.

    `explain` executes the statement and returns its plan, `explain_base` the one that it is compared with.
    """

    connection: Connection
    explain: trial.Explainer
    explain_base: trial.Explainer

    @property
    def is_lost(self) -> bool:
        """Whether the connection was lost; the server has undone everything by itself."""
        return self.connection.invalidated

    def run_base(self) -> trial.Outcome:
        """See `run_base` of `_what_if_trial`."""
        return trial.run_base(self.connection, self.explain_base)

    def run_trial(self, design: Design) -> trial.Outcome:
        """See `run_trial` of `_what_if_trial`."""
        return trial.run_trial(self.connection, self.explain, design)


def attempt_all(trials: Trials, designs: list[Design], base: Runs) -> tuple[list[Attempt], Runs]:
    """Try designs one after the other; when the connection is lost, or time is up, the rest is not tried.

    Args:
        trials: how they are tried.
        designs: what to try.
        base: the runs without any change.

    Returns:
        The attempts in the order of the designs, and all runs without any change.
    """
    attempts: list[Attempt] = []
    start = perf_counter()
    for design in designs:
        reason = _too_late(trials, perf_counter() - start)
        if reason:
            attempts.append(verdict.untried(design, ProofVerdict.INCONCLUSIVE, reason))
            continue
        try:
            base, outcome = _tried(trials, design, base)
            attempts.append(verdict.judged(design, base, outcome))
        except trial.UntriedError as error:
            attempts.append(verdict.untried(design, ProofVerdict.INCONCLUSIVE, str(error)))
        except trial.UnsuitableError as error:
            attempts.append(verdict.untried(design, ProofVerdict.REJECTED, str(error)))
    return attempts, base


def _too_late(trials: Trials, elapsed_s: float) -> str | None:
    if trials.is_lost:
        return "Not tried any more."
    if elapsed_s > MAX_PROOF_S:
        return f"Not tried: this proof has taken {MAX_PROOF_S / 60:.0f} minutes already."
    return None


def _tried(trials: Trials, design: Design, base: Runs) -> tuple[Runs, trial.Outcome]:
    """One attempt, with more runs of both sides in turns where three do not tell."""
    outcome = trials.run_trial(design)
    for _ in range(times.MORE_ROUNDS):
        round_ms = (outcome.build_ms or 0.0) + times.RUNS * (base.median_ms + outcome.runs.median_ms)
        if round_ms > times.MORE_MS or not verdict.is_open(design, base, outcome):
            break
        try:
            more = trials.run_base()
            again = trials.run_trial(design)
        except (trial.ProofRefusedError, trial.UntriedError):
            break
        base = times.together(base, more.runs)
        outcome = replace(again, runs=times.together(outcome.runs, again.runs))
    return base, outcome
