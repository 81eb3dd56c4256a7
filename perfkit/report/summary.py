"""What a report says at its top: data only, read back from an executed notebook."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from perfkit.model.finding import SEVERITIES, Severity


@dataclass(frozen=True, slots=True)
class CellLink:
    """A cell that the summary points to."""

    anchor: str
    label: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause, however many cells of the notebook met it. Times in milliseconds, as measured."""

    code: str
    rule: str
    severity: Severity
    message: str
    advice: str
    where: str
    saving_ms: float | None
    round_trips: int
    cells: tuple[CellLink, ...]

    @property
    def advice_parts(self) -> tuple[str, str]:
        """The advice in words, and the code to write, which rules put on the lines below it."""
        words, _, code = self.advice.partition("\n")
        return words, code.strip("\n")


@dataclass(frozen=True, slots=True)
class Proof:
    """One verification: medians in milliseconds, statements on both sides, and the target."""

    cell: CellLink
    outcome: str
    reason: str
    before_ms: float | None
    after_ms: float | None
    ratio: float | None
    statements: tuple[int | None, int | None] | None
    target_ms: float | None
    target_met: bool | None


@dataclass(frozen=True, slots=True)
class Target:
    """A block held against its target, both in milliseconds; `met` is `None` where that is undecided."""

    cell: CellLink
    name: str
    measured_ms: float | None
    target_ms: float
    met: bool | None


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise and how far the reader came: not attempted, not yet, or correct."""

    cell: CellLink
    question: str
    status: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The cell that ended the run. `cell` is `None` when the run ended outside a cell."""

    cell: CellLink | None
    name: str
    message: str

    @property
    def headline(self) -> str:
        """One line: `FAILED at cell 7: OperationalError: the server closed the connection`."""
        place = f" at {self.cell.label}" if self.cell else ""
        first_line = next((line.strip() for line in self.message.splitlines() if line.strip()), "")
        return f"FAILED{place}: {self.name}" + (f": {first_line}" if first_line else "")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """When and where the notebook ran; `None` or empty where it does not say. Duration in seconds."""

    started_at: str | None = None
    duration_s: float | None = None
    python: str = ""
    platform: str = ""
    perfkit: str = ""

    @property
    def started(self) -> datetime | None:
        """The start as a date, in UTC."""
        try:
            return datetime.fromisoformat(self.started_at).astimezone(UTC) if self.started_at else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """Everything above the notebook's own text."""

    title: str
    run: RunFacts
    code_cells: int
    executed_cells: int
    failure: Failure | None = None
    problems: tuple[Problem, ...] = ()
    proofs: tuple[Proof, ...] = ()
    targets: tuple[Target, ...] = ()
    exercises: tuple[Exercise, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """`failed`, `not run`, `partly run` or `complete`."""
        if self.failure:
            return "failed"
        if not self.executed_cells and self.code_cells:
            return "not run"
        return "complete" if self.executed_cells == self.code_cells else "partly run"

    def problem_counts(self) -> tuple[tuple[Severity, int], ...]:
        """How many problems there are of each severity, worst first, without empty ones."""
        counts = ((severity, sum(p.severity == severity for p in self.problems)) for severity in SEVERITIES)
        return tuple((severity, count) for severity, count in counts if count)

    @property
    def targets_met(self) -> int:
        """How many targets the last word on them says are met."""
        return sum(target.met is True for target in self.targets)

    @property
    def exercises_correct(self) -> int:
        """How many exercises are solved."""
        return sum(exercise.status == "correct" for exercise in self.exercises)

    def digest(self) -> dict[str, Any]:
        """What the index page needs, as plain JSON values."""
        return {
            "schema_version": 1,
            "title": self.title,
            "status": self.status,
            "failure": self.failure.headline if self.failure else None,
            "run": asdict(self.run),
            "code_cells": self.code_cells,
            "executed_cells": self.executed_cells,
            "findings": [[severity, count] for severity, count in self.problem_counts()],
            "targets": [self.targets_met, len(self.targets)],
            "exercises": [self.exercises_correct, len(self.exercises)],
        }


def json_for_script(value: Any) -> str:
    """JSON that is safe within a `<script>` element: no text in it can end the element."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")


def merge_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """One problem for each cause and line, worst first.

    A guided notebook measures the same slow code several times; its reader has one thing to mend.
    """
    merged: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        key = (problem.code, problem.where or problem.message)
        known = merged.get(key)
        merged[key] = problem if known is None else _worse(known, problem)
    return tuple(sorted(merged.values(), key=_rank))


def _worse(first: Problem, second: Problem) -> Problem:
    worst = min(first, second, key=_rank)
    cells = tuple(dict.fromkeys(first.cells + second.cells))
    fields = {name: getattr(worst, name) for name in Problem.__slots__}
    return Problem(**{**fields, "cells": cells})


def _rank(problem: Problem) -> tuple[int, float, int]:
    return SEVERITIES.index(problem.severity), -(problem.saving_ms or 0.0), -problem.round_trips
