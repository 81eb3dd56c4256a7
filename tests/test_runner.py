"""Notebooks are run for real here: each test starts a kernel of this interpreter."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from perfkit.runner import RunError, report_notebook, run_notebook, write_index
from perfkit.runner.files import write_text
from tests.waiting import WAIT_S, wait_for_file


def cell(source, *tags):
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


@pytest.fixture
def save(tmp_path):
    def save(*cells, name="nb.ipynb", **metadata):
        cells = [cell(c) if isinstance(c, str) else c for c in cells]
        nbformat.write(new_notebook(cells=cells, metadata=nbformat.from_dict(metadata)), tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def run(tmp_path):
    def run(path, **options):
        return report_notebook(path, tmp_path / "out", **options)

    return run


def _kernels():
    return {child.pid for child in psutil.Process().children(recursive=True) if _is_kernel(child)}


def _is_kernel(process):
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return False


@pytest.fixture(autouse=True)
def _others(monkeypatch):
    """Kernels that other tests of this process keep for themselves."""
    monkeypatch.setitem(globals(), "OTHERS", _kernels())


def kernels():
    """Kernels that this test has left running."""
    return sorted(_kernels() - OTHERS)  # noqa: F821  set by the fixture above


class TestRunning:
    def test_every_cell_runs_in_this_interpreter_and_in_the_folder_of_the_notebook(self, save, run, tmp_path):
        (tmp_path / "beside.txt").write_text("here")

        result = run(
            save(new_markdown_cell("# T"), "import sys; sys.executable", "open('beside.txt').read()")
        )

        page = result.report.read_text()
        assert result.ok
        assert (result.summary.executed_cells, result.summary.code_cells) == (2, 2)
        assert sys.executable in page
        assert "&#39;here&#39;" in page
        assert kernels() == []

    def test_an_installed_kernel_is_not_needed(self, save, run, tmp_path, monkeypatch):
        wrong = tmp_path / "kernels" / "python3"
        wrong.mkdir(parents=True)
        (wrong / "kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "python"}')
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

        assert run(save("1", kernelspec={"name": "gone", "language": "python", "display_name": "x"})).ok

    def test_the_file_is_not_changed_and_old_outputs_do_not_survive(self, save, run):
        old = nbformat.v4.new_output("stream", text="stale")
        path = save(new_code_cell("print('fresh')", outputs=[old], execution_count=9))
        before = path.read_bytes()

        result = run(path)

        assert path.read_bytes() == before
        assert "stale" not in result.report.read_text()
        assert "fresh" in result.report.read_text()

    def test_it_tells_before_each_cell_which_one_runs(self, save, run):
        told = []

        run(save("1", new_markdown_cell("words"), "", "2"), progress=lambda *news: told.append(news))

        assert [(ordinal, total, place.label) for ordinal, total, place in told] == [
            (1, 2, "cell 1"),
            (2, 2, "cell 2"),
        ]

    def test_variables_reach_the_kernel_and_not_this_process(self, save, run):
        result = run(save("import os; os.environ['PK_TEST']"), environment={"PK_TEST": "seen"})

        assert "seen" in result.report.read_text()
        assert "PK_TEST" not in os.environ

    def test_as_is_takes_what_is_in_the_file(self, save, run):
        kept = nbformat.v4.new_output("stream", text="kept from before")

        result = run(save(new_code_cell("1/0", outputs=[kept], execution_count=1)), as_is=True)

        assert result.ok
        assert "kept from before" in result.report.read_text()

    def test_a_notebook_older_than_cell_ids_is_read(self, run, tmp_path):
        path = tmp_path / "old.ipynb"
        path.write_text(
            '{"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"metadata": {}, "cells": ['
            '{"cell_type": "code", "input": "6*7", "language": "python", "outputs": [], "metadata": {}}]}]}'
        )

        assert "42" in run(path).report.read_text()


SLEEP = "open('started', 'w').close()\nimport time; time.sleep(10_000)"
# How a script's shell starts what is in its background.
IN_A_BACKGROUND = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
progress = None
"""
# Before the second cell runs, once the file `pressed` is there.
PRESS_THRICE = """
import asyncio, signal, threading
def progress(ordinal, total, place):
    while ordinal == 2 and not Path("pressed").exists():
        threading.Event().wait(0.01)
    for _ in range(3 if ordinal == 2 else 0):
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
"""
# The last cell is done; the end of its kernel waits for the file `go`.
END_WHEN_TOLD = """
import atexit, os, time
def end():
    open("started", "w").close()
    while not os.path.exists("go"): time.sleep(0.01)
atexit.register(end)
"""


class TestFailing:
    def test_it_stops_at_the_first_failure_and_still_writes_the_report(self, save, run):
        result = run(save("1", "def f():\n    1/0\nf()", "print('not reached')"))

        assert not result.ok
        assert result.summary.failure.headline == "FAILED at cell 2: ZeroDivisionError: division by zero"
        assert "ZeroDivisionError" in result.traceback
        assert result.summary.executed_cells == 2
        assert "FAILED at cell 2" in result.report.read_text()
        assert kernels() == []

    def test_a_failure_that_is_meant_is_none(self, save, run):
        assert run(save(cell("1/0", "raises-exception"), "2")).ok

    def test_a_failure_that_a_magic_swallowed_is_one(self, save, run):
        result = run(save("get_ipython().run_cell('1/0');", "2"))

        assert result.summary.failure.headline.startswith("FAILED at cell 1: ZeroDivisionError")

    def test_a_syntax_error_is_a_failure(self, save, run):
        assert run(save("for")).summary.failure.name == "SyntaxError"

    def test_a_kernel_that_dies_is_named(self, save, run):
        result = run(save("1", "import os, sys; os.write(2, b'out of pages\\n'); os._exit(9)", "3"))

        assert result.summary.failure.headline == (
            "FAILED at cell 2: DeadKernelError: the kernel died "
            "(out of memory, or the code ended the process): out of pages"
        )

    def test_a_cell_that_hangs_is_given_up(self, save, run):
        result = run(save("import time; time.sleep(10_000)"), timeout_s=1)

        assert result.summary.failure.headline.startswith("FAILED at cell 1: CellTimeoutError")
        assert kernels() == []

    @pytest.mark.parametrize(
        ("number", "is_repeated"),
        [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)],
        ids=["an interrupt", "one interrupt after the other", "a request to terminate"],
    )
    def test_an_interrupt_ends_the_kernel_too(self, started, number, is_repeated):
        process, kernel = started(SLEEP)

        process.send_signal(number)
        while is_repeated and kernel.is_running():
            process.send_signal(number)
            threading.Event().wait(0.01)
        _, errors = process.communicate(timeout=WAIT_S)

        assert "KeyboardInterrupt" in errors.splitlines()[-1]
        assert "never retrieved" not in errors
        assert not kernel.is_running()
        assert not Path("o", "nb.html").exists()

    def test_a_request_to_terminate_is_heeded_where_interrupts_are_ignored(self, started):
        process, kernel = started(SLEEP, before=IN_A_BACKGROUND)

        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT_S)

        assert "KeyboardInterrupt" in errors.splitlines()[-1]
        assert not kernel.is_running()

    def test_interrupts_of_which_none_is_heeded_yet_end_the_kernel_too(self, started):
        """A slow machine: the event loop gets to none of them before the last has come."""
        process, kernel = started("open('started', 'w').close()", "1", before=PRESS_THRICE)

        Path("pressed").touch()
        _, errors = process.communicate(timeout=WAIT_S)

        assert "KeyboardInterrupt" in errors.splitlines()[-1]
        assert not kernel.is_running()

    def test_an_interrupt_while_the_kernel_ends_by_itself_is_not_lost(self, started):
        process, kernel = started(END_WHEN_TOLD)

        process.send_signal(signal.SIGINT)
        Path("go").touch()
        _, errors = process.communicate(timeout=WAIT_S)

        assert "KeyboardInterrupt" in errors.splitlines()[-1]
        assert not kernel.is_running()

    @pytest.fixture
    def started(self, save, tmp_path, monkeypatch):
        """A run in a process of its own whose kernel has written the file `started`, and its kernel."""
        monkeypatch.chdir(tmp_path)
        running = []

        def started(*cells, before="progress = None"):
            call = f"report_notebook(Path({str(save(*cells))!r}), Path('o'), progress=progress)"
            program = f"from pathlib import Path\nfrom perfkit.runner import *\n{before}\n{call}"
            process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
            running.append(process)
            wait_for_file(Path("started"), process)
            (kernel,) = filter(_is_kernel, psutil.Process(process.pid).children(recursive=True))
            return process, kernel

        yield started
        for process in running:
            with process:
                process.kill()

    def test_two_runs_at_once_do_not_disturb_each_other(self, save, tmp_path):
        path = save("import os; os.getpid()")
        command = [sys.executable, "-m", "perfkit.cli", "report", str(path), "-o", str(tmp_path / "out")]

        running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]

        assert [process.wait(timeout=WAIT_S) for process in running] == [0, 0]
        assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["index.html", "nb.html"]


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"not json", "is not a notebook: it is not JSON"),
            (b"", "is not a notebook: it is not JSON"),
            (b"\xff\xfe\x00", "is not a notebook: it is not UTF-8"),
            (b"[]", "is not a notebook: it has no nbformat number"),
            (b'{"nbformat": 4}', "is not a notebook that can be read"),
            (b'{"nbformat": 99, "cells": []}', "is not a notebook that can be read"),
            (
                b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [7]}',
                "is not a notebook that can be",
            ),
        ],
    )
    def test_a_file_that_is_no_notebook_is_refused_in_a_line(self, run, tmp_path, content, words):
        path = tmp_path / "odd.ipynb"
        path.write_bytes(content)

        with pytest.raises(RunError, match=words) as caught:
            run(path)

        assert len(str(caught.value).splitlines()) == 1

    def test_a_missing_file_and_a_folder_are_named(self, run, tmp_path):
        with pytest.raises(RunError, match="There is no file"):
            run(tmp_path / "gone.ipynb")
        with pytest.raises(RunError, match="is a folder"):
            run(tmp_path)

    def test_a_notebook_of_another_language_is_not_run(self, save, run):
        path = save("x <- 1", kernelspec={"name": "ir", "language": "R", "display_name": "R"})

        with pytest.raises(RunError, match="written for R"):
            run(path)
        assert run(path, as_is=True).ok

    def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(self, save, tmp_path):
        (tmp_path / "file").write_text("")
        told = []

        with pytest.raises(RunError, match=r"Cannot write reports to .*-o"):
            report_notebook(save("1"), tmp_path / "file" / "out", progress=lambda *news: told.append(news))

        assert told == []

    def test_a_full_disk_leaves_no_half_report(self, tmp_path):
        resource = pytest.importorskip("resource")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(RunError, match="Cannot write"):
                write_text(tmp_path / "page.html", "x" * 100_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

        assert list(tmp_path.iterdir()) == []

    def test_a_report_replaces_the_one_before_it_whole(self, tmp_path):
        page = tmp_path / "page.html"

        write_text(page, "a" * 100)
        write_text(page, "b")

        assert page.read_text() == "b"
        assert [file.name for file in tmp_path.iterdir()] == ["page.html"]

    def test_a_notebook_called_index_does_not_overwrite_the_list(self, save, run, tmp_path):
        result = run(save("1", name="index.ipynb"))
        write_index(tmp_path / "out")

        assert result.report.name == "index-notebook.html"
        assert "index-notebook.html" in (tmp_path / "out" / "index.html").read_text()


def test_a_run_leaves_the_given_notebook_alone(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("6 * 7")])

    done = run_notebook(notebook, tmp_path)

    assert notebook.cells[0].outputs == []
    assert done.cells[0].outputs[0].data["text/plain"] == "42"
    assert done.metadata["perfkit"]["failure"] is None
