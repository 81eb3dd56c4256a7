"""What a program that executes notebooks sees of a measured cell."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from perfkit.model.codec import trace_from_json
from perfkit.session import MIME_TRACE

SETUP = "%load_ext perfkit\nimport sqlalchemy as sa\nengine = sa.create_engine('sqlite://')"
ASK = "with engine.connect() as c:\n    c.exec_driver_sql('select 1')"


def executed(kernel, *cells: str) -> tuple[nbformat.NotebookNode, CellExecutionError | None]:
    """Execute cells as nbclient does, in the kernel of the other tests."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, *cells)]
    )
    try:
        NotebookClient(notebook, km=kernel.manager, timeout=60).execute()
    except CellExecutionError as error:
        return notebook, error
    return notebook, None


def test_an_executed_notebook_carries_the_traces_and_stays_valid(notebook):
    document, error = executed(notebook, f"%%querycount\n{ASK}", "%%explain\nselect 1", f"%%diagnose\n{ASK}")
    assert error is None
    nbformat.validate(document)
    outputs = [output for cell in document.cells[1:] for output in cell.outputs]
    traces = [trace_from_json(output["data"][MIME_TRACE]) for output in outputs if MIME_TRACE in output.data]
    assert [len(trace.queries or ()) for trace in traces] == [1, 0, 1]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (f"%%querycount\n{ASK}\n1 / 0", "ZeroDivisionError"),
        (f"%%querycount --max 0\n{ASK}", "QueryBudgetExceeded"),
        (f"%%querycount --nmax 0\n{ASK}", "MagicError"),
        ("%%profile", "MagicError"),
        ("%%diagnose\n1 +", "SyntaxError"),
        ("%%explain -e nothing\nselect 1", "MagicError"),
        ("%verify nothing nothing", "MagicError"),
    ],
)
def test_a_cell_that_fails_stops_the_execution_and_is_an_error_output(notebook, cell, name):
    document, error = executed(notebook, cell, "print('never')")
    assert error is not None
    assert error.ename in (name, "_IncompleteInputError")
    assert "error" in [output.output_type for output in document.cells[1].outputs]
    assert document.cells[2].outputs == []
