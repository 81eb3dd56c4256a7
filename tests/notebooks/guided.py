"""Runs the guided notebooks as they are shipped, solved, or answered wrongly, and reads their outputs."""

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from perfkit.model.codec import trace_from_json
from perfkit.model.trace import Trace
from perfkit.model.verification import Verification, verification_from_json
from perfkit.runner import run_notebook

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ("00_start_here", "01_too_many_queries", "02_missing_index")
# The smallest shop on which the planner decides as on the full one; and a wire that costs the tests little.
SCALES = {"00_start_here": "tiny", "01_too_many_queries": "tiny", "02_missing_index": "small"}
ROUND_TRIP_MS = "5"

TRACE = "application/vnd.perfkit.trace+json"
VERIFICATION = "application/vnd.perfkit.verification+json"
EXERCISE = "application/vnd.perfkit.exercise+json"


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def cell(notebook: Any, cell_id: str) -> Any:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def solutions(notebook: Any) -> dict[str, str]:
    """The folded solutions by the id of the exercise."""
    cells = (cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", ()))
    return {cell.id.removesuffix("-solution"): cell.source for cell in cells}


def answered(notebook: Any, answers: Mapping[str, str]) -> Any:
    """A copy with these answers typed below the placeholders, and above the check where it is in the cell."""
    notebook = copy.deepcopy(notebook)
    for cell_id, answer in answers.items():
        exercise = cell(notebook, cell_id)
        lines = exercise.source.splitlines()
        check = [lines.pop()] if ".check(" in lines[-1] else []
        exercise.source = "\n".join([*lines, answer, *check])
    return notebook


def run(notebook: Any, name: str, home: str) -> Any:
    """The executed copy; the test fails at the first cell that fails."""
    environment = {
        "PERFKIT_HOME": home,
        "PERFKIT_SCALE": SCALES[name],
        "PERFKIT_ROUND_TRIP_MS": ROUND_TRIP_MS,
        "PERFKIT_DATABASE_URL": "",
    }
    done = run_notebook(notebook, FOLDER, environment=environment, timeout_s=120)
    failure = done.metadata["perfkit"]["failure"]
    assert failure is None, (
        f"{name}, {done.cells[failure['index']].id}: {failure['name']}: {failure['message']}"
    )
    return done


def outputs(notebook: Any, mime: str) -> dict[str, Any]:
    """What each cell displayed last under a MIME type, by the cell's id."""
    return {cell.id: data[mime] for cell in notebook.cells for data in _bundles(cell) if mime in data}


def _bundles(cell: Any) -> Iterator[Any]:
    return (output.data for output in cell.get("outputs", ()) if "data" in output)


def statuses(notebook: Any) -> dict[str, str]:
    """The status of each exercise, by the id of the cell that checks it."""
    return {cell_id: payload["status"] for cell_id, payload in outputs(notebook, EXERCISE).items()}


def trace(notebook: Any, cell_id: str) -> Trace:
    return trace_from_json(outputs(notebook, TRACE)[cell_id])


def verification(notebook: Any, cell_id: str) -> Verification:
    return verification_from_json(outputs(notebook, VERIFICATION)[cell_id])


def printed(notebook: Any, cell_id: str) -> str:
    return "".join(
        output.text for output in cell(notebook, cell_id).outputs if output.output_type == "stream"
    )


def said(notebook: Any, cell_id: str) -> str:
    bundles = _bundles(cell(notebook, cell_id))
    return "\n".join(data.get("text/markdown") or data.get("text/plain", "") for data in bundles)
