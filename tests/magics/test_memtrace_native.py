"""`%%memtrace --native` in a real kernel."""

import sys
import tempfile
from pathlib import Path

import pytest

MB = 1_000_000
needs_memray = pytest.mark.skipif(sys.platform == "win32", reason="memray runs on Linux and macOS")


def memory(ran):
    return ran.traces[-1]["memory"]


def recordings():
    return sorted(path.name for path in Path(tempfile.gettempdir()).glob("perfkit-memray-*"))


CELL = """%%memtrace kept --native
import sqlite3
def fill():
    connection = sqlite3.connect(':memory:')
    connection.execute('CREATE TABLE t (b)')
    for _ in range(50):
        connection.execute('INSERT INTO t VALUES (zeroblob(1000000))')
    return connection
c = fill()
numbers = bytearray(30_000_000)"""


@needs_memray
def test_memory_of_c_code_is_found_at_the_line_that_called_it(notebook):
    pytest.importorskip("memray")
    before = recordings()
    ran = notebook.run(CELL)
    assert ran.status == "ok", ran.error
    native = memory(ran)["native"]
    assert native["peak_bytes"] == pytest.approx(80 * MB, rel=0.15)
    names = [function["location"]["function_name"] for function in native["functions"]]
    assert "fill" in names
    assert any("sqlite3" in name for name in names)
    assert not [name for name in names if name in ("run_cell", "begin", "seal")]
    text = ran.bundles[-1]["text/plain"]
    assert "connection.execute('INSERT INTO t VALUES (zeroblob(1000000))')" in text
    assert "Flame chart of" in ran.bundles[-1]["text/html"]
    assert recordings() == before


@needs_memray
def test_memray_shows_nothing_of_its_own(own_kernel):
    """Once a process, it says that it is new to greenlets, which SQLAlchemy loads."""
    pytest.importorskip("memray")
    own_kernel.run("import greenlet\n%load_ext perfkit")
    ran = own_kernel.run("%%memtrace --native\nx = bytearray(3_000_000)")
    assert ran.status == "ok", ran.error
    shown = [item for item in ran.outputs if "data" in item or "text" in item]
    assert [item["data"] for item in shown] == ran.bundles
    assert own_kernel.value("__import__('memray')._memray.print_greenlet_warning.__name__") != "<lambda>"


@needs_memray
def test_a_cell_that_fails_leaves_no_file_and_no_recording(notebook):
    pytest.importorskip("memray")
    before = recordings()
    ran = notebook.run("%%memtrace --native\n1/0")
    assert "ZeroDivisionError" in ran.error
    assert recordings() == before
    assert notebook.run("%%memtrace --native\nx = 1").status == "ok"


def test_a_missing_memray_is_told_before_the_cell_runs(notebook):
    notebook.run("import sys\nhidden = sys.modules.pop('memray', None)\nsys.modules['memray'] = None")
    try:
        ran = notebook.run("%%memtrace --native\nprint('ran')")
    finally:
        notebook.run("del sys.modules['memray']\nif hidden:\n    sys.modules['memray'] = hidden")
    assert ran.error.startswith("UsageError: %%memtrace: --native needs memray, which is not installed")
    assert "pip install memray" in ran.error
    assert "ran" not in ran.printed


@pytest.mark.parametrize("other", ["--peak", "-f len", "--repeat 5"])
def test_options_that_exclude_each_other_are_told(notebook, other):
    ran = notebook.run(f"%%memtrace --native {other}\nx = 1")
    assert ran.status == "error"
    assert "goes without" in ran.error
