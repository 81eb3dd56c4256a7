"""Run the cells of a notebook, and note when and where that was."""

import copy
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from perfkit.report.cells import CellPlace, code_cells
from perfkit.report.reading import RUN_METADATA
from perfkit.report.summary import RunFacts
from perfkit.runner.kernel import CellFailedError, execute

# The slowest guided cell takes some seconds; ten minutes is a cell that hangs.
CELL_TIMEOUT_S = 600.0

Progress = Callable[[int, int, CellPlace], None]


def run_notebook(
    notebook: Any,
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = CELL_TIMEOUT_S,
    progress: Progress | None = None,
) -> Any:
    """Run the cells of a notebook in a new kernel of this interpreter.

    Args:
        notebook: a notebook of format 4; it is copied.
        folder: the kernel's working folder.
        environment: variables that the kernel sees beside those of this process.
        timeout_s: the longest that one cell may take, in seconds.
        progress: called before each cell with its ordinal from 1, the number of cells, and its place.

    Returns:
        The executed copy. Its metadata say when and where it ran, and which cell ended the run if one did.

    Raises:
        RunError: no kernel starts.
        KeyboardInterrupt: the person interrupted; the kernel is gone by then.
    """
    notebook = _cleared(notebook)
    places = {place.index: place for place, _ in code_cells(notebook)}
    ordinals = {index: ordinal for ordinal, index in enumerate(places, 1)}

    def on_cell(index: int) -> None:
        if progress is not None:
            progress(ordinals[index], len(places), places[index])

    started, clock = datetime.now(UTC), time.perf_counter()
    failure: dict[str, Any] | None = None
    try:
        execute(
            notebook,
            folder.resolve(),
            environment={**os.environ, **(environment or {})},
            timeout_s=timeout_s,
            on_cell=on_cell,
        )
    except CellFailedError as error:
        failure = {"index": error.index, "name": error.name, "message": error.message}
    facts = _facts(started, time.perf_counter() - clock)
    notebook.metadata[RUN_METADATA] = {"run": asdict(facts), "failure": failure}
    return notebook


def _cleared(notebook: Any) -> Any:
    """A copy without what an earlier run left, so that nothing in the report is older than the run."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop(RUN_METADATA, None)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    return notebook


def _facts(started: datetime, duration_s: float) -> RunFacts:
    try:
        own_version = version("perfkit")
    except PackageNotFoundError:  # run from a source tree that is not installed
        own_version = ""
    return RunFacts(
        started_at=started.isoformat(timespec="seconds"),
        duration_s=round(duration_s, 3),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        perfkit=own_version,
    )
