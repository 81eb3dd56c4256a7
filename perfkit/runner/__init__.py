"""Run notebooks and write their reports."""

from perfkit.runner.files import RunError
from perfkit.runner.reports import NotebookResult, render_report, report_notebook, write_index
from perfkit.runner.run import CELL_TIMEOUT_S, run_notebook

__all__ = [
    "CELL_TIMEOUT_S",
    "NotebookResult",
    "RunError",
    "render_report",
    "report_notebook",
    "run_notebook",
    "write_index",
]
