"""A notebook in, its report out, whatever became of its cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit.report.cells import code_cells, unexpected_error, without_secrets
from perfkit.report.exporter import ReportExporter
from perfkit.report.index import index_page
from perfkit.report.summary import ReportSummary
from perfkit.runner.files import prepare_folder, read_notebook, require_python, write_text
from perfkit.runner.run import CELL_TIMEOUT_S, Progress, run_notebook


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
    text = next(("\n".join(error.get("traceback", ())) for error in errors if error is not None), "")
    return without_secrets(text)


def render_report(notebook: Any, path: Path) -> tuple[str, ReportSummary]:
    """Render an executed notebook.

    Args:
        notebook: a notebook of format 4.
        path: where it lies; pictures beside it are embedded.

    Returns:
        The page and the summary at its top.
    """
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
    path = folder / "index.html"
    write_text(path, index_page(folder))
    return path
