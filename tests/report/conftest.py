import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from perfkit.report.exporter import ReportExporter


def text(source, *tags):
    return new_markdown_cell(source, metadata={"tags": list(tags)} if tags else {})


def code(source, *outputs, count=1, tags=()):
    return new_code_cell(
        source, outputs=list(outputs), execution_count=count, metadata={"tags": list(tags)} if tags else {}
    )


def shown(**data):
    """An output with these forms; `html=...` stands for text/html and so on."""
    names = {"html": "text/html", "plain": "text/plain", "markdown": "text/markdown", "latex": "text/latex"}
    names |= {"svg": "image/svg+xml", "png": "image/png", "javascript": "application/javascript"}
    return new_output("display_data", data={names[key]: value for key, value in data.items()})


def ours(kind, payload, html="<p>ours</p>"):
    return new_output(
        "display_data", data={f"application/vnd.perfkit.{kind}+json": payload, "text/html": html}
    )


def printed(words, name="stdout"):
    return new_output("stream", name=name, text=words)


def raised(name="ValueError", value="no", traceback=("Traceback", "ValueError: no")):
    return new_output("error", ename=name, evalue=value, traceback=list(traceback))


def notebook(*cells, **metadata):
    return new_notebook(cells=list(cells), metadata=nbformat.from_dict(metadata))


def export(*cells, folder="", **metadata):
    """The page of a notebook of these cells, parsed, and its summary."""
    resources = {"metadata": {"path": str(folder), "name": "my_notebook"}}
    page, resources = ReportExporter().from_notebook_node(notebook(*cells, **metadata), resources)
    return BeautifulSoup(page, "html.parser"), resources["perfkit"]


class Builders:
    """The functions above, for the tests of this folder."""

    text = staticmethod(text)
    code = staticmethod(code)
    shown = staticmethod(shown)
    ours = staticmethod(ours)
    printed = staticmethod(printed)
    raised = staticmethod(raised)
    notebook = staticmethod(notebook)
    export = staticmethod(export)


@pytest.fixture
def make():
    return Builders
