"""Run several notebooks one after the other and say what came of them."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from perfkit.cli._progress import CellProgress
from perfkit.cli._shared import CommandError, complain, say, table

if TYPE_CHECKING:
    from perfkit.runner import NotebookResult

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and how."""

    notebooks: Sequence[Path]
    output_folder: Path
    as_is: bool = False
    environment: Mapping[str, str] | None = None
    timeout_s: float | None = None


def make_reports(plan: Plan) -> int:
    """Write a report for each notebook and the index page; print a table of them.

    Returns:
        0 when all of them ran to their end, else 1.
    """
    from perfkit.runner import RunError, write_index

    _refuse_equal_names(plan.notebooks)
    results: list[NotebookResult] = []
    unreadable = 0
    for path in plan.notebooks:
        try:
            results.append(_make_report(path, plan))
        except RunError as error:
            complain(str(error))
            unreadable += 1
    if results:
        try:
            index = write_index(plan.output_folder)
        except RunError as error:
            raise CommandError(str(error)) from error
        say(_results_table(results))
        say(f"\nReports: {index}")
    return 1 if unreadable or not all(result.ok for result in results) else 0


def _make_report(path: Path, plan: Plan) -> "NotebookResult":
    from perfkit.runner import CELL_TIMEOUT_S, report_notebook

    say(f"{'Taking' if plan.as_is else 'Running'} {path}")
    with CellProgress(path.stem) as progress:
        result = report_notebook(
            path,
            plan.output_folder,
            as_is=plan.as_is,
            environment=plan.environment,
            timeout_s=plan.timeout_s or CELL_TIMEOUT_S,
            progress=progress,
        )
    if result.summary.failure is not None:
        if result.traceback:
            shown = result.traceback if sys.stderr.isatty() else _ESCAPES.sub("", result.traceback)
            sys.stderr.write(shown.rstrip() + "\n")
        complain(f"{path.name} {result.summary.failure.headline}")
    return result


def _refuse_equal_names(notebooks: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in notebooks:
        other = seen.setdefault(path.stem.lower(), path)
        if other is not path:
            raise CommandError(
                f"{other} and {path} have the same name: one report would overwrite the other. "
                "Run them apart, each with its own -o FOLDER."
            )


def _results_table(results: Sequence["NotebookResult"]) -> str:
    from perfkit.report.style import seconds

    rows = []
    for result in results:
        summary = result.summary
        targets = f"{summary.targets_met} of {len(summary.targets)} met" if summary.targets else "-"
        findings = ", ".join(f"{count} {severity}" for severity, count in summary.problem_counts()) or "-"
        cells = f"{summary.executed_cells} of {summary.code_cells}"
        time = seconds(summary.run.duration_s) or "-"
        rows.append((result.notebook.name, summary.status, cells, time, targets, findings))
    return "\n" + table(("notebook", "run", "cells", "time", "targets", "findings"), rows)
