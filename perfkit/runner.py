"""Run notebooks and write their reports."""

import copy
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from perfkit._runner_files import RunError, prepare_folder, read_notebook, require_python, write_text
from perfkit.report.cells import CellPlace, code_cells, unexpected_error
from perfkit.report.reading import RUN_METADATA
from perfkit.report.summary import ReportSummary, RunFacts

__all__ = ["NotebookResult", "RunError", "render_report", "report_notebook", "run_notebook", "write_index"]

# The slowest guided cell takes some seconds; ten minutes is a cell that hangs.
CELL_TIMEOUT_S = 600.0

Progress = Callable[[int, int, CellPlace], None]


@dataclass(frozen=True, slots=True)
class NotebookResult:
    """What came of one notebook: its report, what stands at the report's top, and where it failed.

    `traceback` is the failing cell's, with the terminal's colours; empty when there is none.
    """

    notebook: Path
    report: Path
    summary: ReportSummary
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Whether every cell ran as it should."""
        return self.summary.failure is None


def report_notebook(
    path: Path,
    output_folder: Path,
    *,
    as_is: bool = False,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = CELL_TIMEOUT_S,
    progress: Progress | None = None,
) -> NotebookResult:
    """Run one notebook and write its report, also when a cell fails.

    Args:
        path: the notebook; the file itself is not changed.
        output_folder: where `<name>.html` goes.
        as_is: take the outputs that are in the file and run nothing.
        environment: variables that the kernel sees beside those of this process.
        timeout_s: the longest that one cell may take, in seconds.
        progress: called before each cell with its ordinal from 1, the number of cells, and its place.

    Returns:
        The report's path and summary; `ok` says whether every cell ran.

    Raises:
        RunError: the notebook cannot be read, no kernel starts, or the report cannot be written.
        KeyboardInterrupt: the person interrupted; nothing is written.
    """
    notebook = read_notebook(path)
    prepare_folder(output_folder)
    if not as_is:
        require_python(path, notebook)
        notebook = run_notebook(
            notebook, path.parent, environment=environment, timeout_s=timeout_s, progress=progress
        )
    page, summary = render_report(notebook, path)
    report = output_folder / _report_name(path)
    write_text(report, page)
    return NotebookResult(path, report, summary, _traceback(notebook) if summary.failure else "")


def _report_name(path: Path) -> str:
    return "index-notebook.html" if path.stem.lower() == "index" else f"{path.stem}.html"


def _traceback(notebook: Any) -> str:
    errors = (unexpected_error(cell) for _, cell in code_cells(notebook))
    return next(("\n".join(error.get("traceback", ())) for error in errors if error is not None), "")


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
    from perfkit._runner_kernel import CellFailedError, execute

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


def render_report(notebook: Any, path: Path) -> tuple[str, ReportSummary]:
    """Render an executed notebook.

    Args:
        notebook: a notebook of format 4.
        path: where it lies; pictures beside it are embedded.

    Returns:
        The page and the summary at its top.
    """
    from perfkit.report.exporter import ReportExporter

    metadata = {"path": str(path.parent), "name": path.stem}
    page, resources = ReportExporter().from_notebook_node(notebook, {"metadata": metadata})
    return page, resources["perfkit"]


def write_index(folder: Path) -> Path:
    """Write `index.html`, the list of every report in a folder.

    Args:
        folder: where the reports are.

    Returns:
        The path of the page.

    Raises:
        RunError: it cannot be written.
    """
    from perfkit.report.index import index_page

    path = folder / "index.html"
    write_text(path, index_page(folder))
    return path
