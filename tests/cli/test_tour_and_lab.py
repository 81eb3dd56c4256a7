"""`perfkit tour` and `perfkit lab` on the smallest shop, and `perfkit doctor`."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from perfkit import cli, lab
from perfkit.cli import _checks, doctor, jupyter, tour


@pytest.fixture
def home(tmp_path_factory, monkeypatch):
    """A lab of its own, whose server ends with the test."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("PERFKIT_HOME", str(folder))
    yield folder
    # As root it is not in that folder, which the server's account could not reach.
    lab.remove()


def run_command(*arguments, cwd, **variables):
    command = [sys.executable, "-m", "perfkit.cli", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def own_notebooks(tmp_path, monkeypatch):
    """A bundle of two quick notebooks."""
    folder = tmp_path / "bundle" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "bundle" / "data").mkdir()
    probe = "import os; print(os.environ['PERFKIT_SCALE'])"
    nbformat.write(new_notebook(cells=[new_code_cell(probe)]), folder / "00_start_here.ipynb")
    nbformat.write(new_notebook(cells=[new_code_cell("1/0")]), folder / "01_too_many.ipynb")
    monkeypatch.setattr("perfkit.lab.resources.notebooks_dir", lambda: folder)
    monkeypatch.setattr("perfkit.lab.resources.data_dir", lambda: tmp_path / "bundle" / "data")
    monkeypatch.setattr(tour, "build_data", lambda arguments: 4)
    return tmp_path / "tour"


def test_a_tour_runs_every_notebook_and_fails_when_one_does(own_notebooks, capsys):
    code = cli.main(["tour", str(own_notebooks), "--scale", "tiny"])

    shown = capsys.readouterr()
    assert code == 1
    assert sorted(path.name for path in (own_notebooks / "reports").iterdir()) == [
        "00_start_here.html",
        "01_too_many.html",
        "index.html",
    ]
    assert "01_too_many.ipynb FAILED at cell 1: ZeroDivisionError" in shown.err
    assert "tiny" in (own_notebooks / "reports" / "00_start_here.html").read_text()


@pytest.mark.parametrize("name", ["00", "00_start_here", "00_start_here.ipynb"])
def test_only_one_notebook_can_be_chosen(own_notebooks, name):
    assert (
        cli.main(["tour", str(own_notebooks), "--scale", "tiny", "--only", name, "-o", f"{own_notebooks}/r"])
        == 0
    )
    assert not (own_notebooks / "r" / "01_too_many.html").exists()


def test_an_unknown_notebook_is_refused_with_the_ones_there_are(own_notebooks, capsys):
    assert cli.main(["tour", str(own_notebooks), "--only", "09"]) == 1
    assert (
        "No guided notebook is called 09. There are: 00_start_here, 01_too_many." in capsys.readouterr().err
    )


def test_data_are_built_shown_reset_stopped_and_removed(home, tmp_path):
    def data(*arguments):
        done = run_command("data", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "No sample data yet" in data("info")
    assert re.search(r"^users +[\d,]+$", data("build", "--scale", "tiny"), re.M)
    assert "tiny" in data("info")
    assert "is as it was at first" in data("reset", "demo", "--scale", "tiny")
    assert "is down" in data("stop")
    where = Path(data("remove").partition("sample data in ")[2].partition(".")[0])
    assert not where.exists() or not any(where.iterdir())
    assert "No sample data yet" in data("info")


def test_the_doctor_finds_this_machine_well(home, capsys):
    code = cli.main(["doctor"])

    lines = capsys.readouterr().out.splitlines()
    states = {line.split("  ")[1].strip(): line.split()[0] for line in lines[2:10]}
    assert code == 0, lines
    assert states.keys() >= {"Python", "packages", "Jupyter kernel", "cache folder", "PostgreSQL"}
    assert set(states.values()) <= {"ok", "note"}


def test_a_check_that_fails_gives_1_and_says_what_to_do(monkeypatch, capsys):
    checks = (_checks.Check("disk", "FAIL", "0.1 GB free", "Free some."), _checks.Check("Python", "ok", "3"))
    monkeypatch.setattr(_checks, "check_all", lambda: checks)

    assert doctor.run(None) == 1
    assert "  disk: Free some." in capsys.readouterr().out


def test_a_check_that_breaks_is_a_finding_and_ends_no_other():
    def _disk():
        raise OSError("no such device")

    found = _checks._tried(_disk)

    assert (found.name, found.state, found.found) == ("disk", "FAIL", "OSError: no such device")


class TestLab:
    def test_the_kernel_of_the_lab_is_this_interpreter(self, tmp_path):
        folder = jupyter._write_settings(tmp_path)

        kernel = json.loads((folder / "kernels" / "python3" / "kernel.json").read_text())
        assert kernel["argv"][0] == sys.executable

    def test_paths_that_are_set_stay_behind_ours(self, tmp_path, monkeypatch):
        monkeypatch.setenv("JUPYTER_PATH", "/mine")
        monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)

        assert jupyter._paths(tmp_path) == {
            "JUPYTER_PATH": f"{tmp_path}{os.pathsep}/mine",
            "JUPYTER_CONFIG_PATH": str(tmp_path),
        }

    def test_it_opens_on_the_first_notebook_without_news_and_ends_cleanly(self, home, tmp_path):
        command = [sys.executable, "-m", "perfkit.cli", "lab", str(tmp_path / "tour"), "--no-browser"]
        log = tmp_path / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--scale", "tiny"], stderr=stream, stdout=stream, cwd=tmp_path
            )
        try:
            address, token = _address(process, log)
            opener = urllib.request.build_opener()

            start = opener.open(f"{address}/lab?token={token}", timeout=30).geturl()
            path = "lab/api/settings/@jupyterlab/apputils-extension:notification"
            settings = json.load(opener.open(f"{address}/{path}?token={token}", timeout=30))
            kernels = json.load(opener.open(f"{address}/api/kernelspecs?token={token}", timeout=30))
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            code = process.wait(timeout=30)

        assert start.split("?")[0].endswith(("/lab", "/lab/tree/notebooks/00_start_here.ipynb"))
        assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
        assert settings["schema"]["properties"]["checkForUpdates"]["default"] is False
        assert kernels["kernelspecs"]["python3"]["spec"]["argv"][0] == sys.executable
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), log.read_text()
        assert psutil.wait_procs(children, timeout=10)[1] == []


def _address(process: "subprocess.Popen[bytes]", log: Path) -> tuple[str, str]:
    import threading

    pause = threading.Event()
    for _ in range(600):
        match = re.search(r"http://(localhost|127\.0\.0\.1):(\d+)/\S*\?token=(\w+)", log.read_text())
        if match:
            host, port, token = match.groups()
            if _answers(host, int(port)):  # the address is printed before the server listens
                return f"http://{host}:{port}", token
        assert process.poll() is None, log.read_text()
        pause.wait(0.1)
    raise AssertionError(log.read_text())


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False
