"""What a program that executes notebooks sees of a measured cell."""

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from perfkit.model.codec import trace_from_json
from perfkit.session import MIME_TRACE

SETUP = "%load_ext perfkit\nimport sqlalchemy as sa\nengine = sa.create_engine('sqlite://')"
ASK = "with engine.connect() as c:\n    c.exec_driver_sql('select 1')"
FAILING = {
    f"%%querycount\n{ASK}\n1 / 0": "ZeroDivisionError",
    f"%%querycount --max 0\n{ASK}": "QueryBudgetExceeded",
    f"%%querycount --nmax 0\n{ASK}": "MagicError",
    "%%profile": "MagicError",
    "%%diagnose\n1 + )": "SyntaxError",
    "%%explain -e nothing\nselect 1": "MagicError",
    "%verify nothing nothing": "MagicError",
}


def document(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, *cells)])


def test_an_executed_notebook_carries_the_traces_and_stays_valid():
    notebook = document(f"%%querycount\n{ASK}", "%%explain\nselect 1", f"%%diagnose\n{ASK}")
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells[1:] for output in cell.outputs]
    traces = [trace_from_json(output["data"][MIME_TRACE]) for output in outputs if MIME_TRACE in output.data]
    assert [len(trace.queries or ()) for trace in traces] == [1, 0, 1]


def test_a_cell_that_fails_raises_in_the_program_and_is_an_error_output():
    notebook = document(*FAILING)
    client = NotebookClient(notebook, kernel_name="python3", timeout=60)
    raised = []
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                raised.append(error.ename)
    assert raised == list(FAILING.values())
    for cell in notebook.cells[1:]:
        assert "error" in [output.output_type for output in cell.outputs], cell.source
