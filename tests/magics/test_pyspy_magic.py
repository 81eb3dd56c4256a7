"""`%pyspy` on a real process, without rights, and without py-spy."""

import shutil
import subprocess
import sys
import time

import pytest

from perfkit.capture import py_spy
from perfkit.capture.py_spy import PySpyError

PROGRAM = """
import threading, time
def spin():
    while True:
        sum(range(1000))
def rest():
    while True:
        time.sleep(0.1)
threading.Thread(target=rest, name="resting", daemon=True).start()
print("ready", flush=True)
spin()
"""


@pytest.fixture
def process():
    started = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    started.stdout.readline()
    yield started
    started.kill()
    started.communicate()


@pytest.fixture
def without_rights(tmp_path, monkeypatch):
    """A py-spy that answers as it does without rights."""
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\necho 'Error: Permission denied (os error 13)' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(py_spy, "_program", lambda: str(program))


needs_py_spy = pytest.mark.skipif(
    shutil.which("py-spy", path=f"{sys.prefix}/bin") is None, reason="no py-spy"
)


@needs_py_spy
def test_a_running_process_is_shown_with_its_threads_apart(notebook, process):
    ran = notebook.run(f"kept = %pyspy {process.pid} -d 1\nkept")
    if "may not read" in ran.error:
        pytest.skip(ran.error)
    assert ran.status == "ok", ran.error
    cpu = ran.traces[0]["cpu"]
    names = [f["location"]["function_name"] for f in cpu["functions"]]
    assert {"spin", "rest"} <= set(names)
    tops = {names[stack["functions"][0]] for stack in cpu["stacks"]}
    assert len(tops) == 2
    assert any("MainThread" in name for name in tops)
    assert "py-spy, 100 samples a second for 1 s" in ran.bundles[0]["text/plain"]
    assert process.poll() is None


@needs_py_spy
def test_the_kernel_is_recorded_without_the_thread_that_waits_for_it(notebook):
    notebook.run(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3,), name='mine').start()"
    )
    ran = notebook.run("%pyspy kernel -d 1")
    if "may not read" in ran.error:
        pytest.skip(ran.error)
    assert ran.status == "ok", ran.error
    names = [f["location"]["function_name"] for f in ran.traces[0]["cpu"]["functions"]]
    assert any('"mine"' in name for name in names)
    assert not any("MainThread" in name for name in names)
    notebook.run("time.sleep(2.5)")


@needs_py_spy
def test_a_process_that_is_not_python_is_refused():
    other = subprocess.Popen(["sleep", "30"])
    with pytest.raises(PySpyError, match="must be a running Python") as raised:
        py_spy.record(other.pid, 1)
    assert "\n" not in str(raised.value)
    other.kill()
    other.wait()


@needs_py_spy
def test_a_number_without_a_process_is_said_to_be():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(PySpyError, match="There is no process"):
        py_spy.record(ended.pid, 1)


def test_without_rights_the_setting_to_change_is_named(without_rights, process):
    with pytest.raises(PySpyError, match=r"may not read.*(ptrace_scope|SYS_PTRACE|root|administrator)"):
        py_spy.record(process.pid, 1)


def test_without_py_spy_the_way_to_have_it_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PySpyError, match="pip install py-spy"):
        py_spy.record(1, 1)


def test_a_record_that_does_not_end_is_stopped_and_leaves_nothing(tmp_path, monkeypatch, process):
    program, mark = tmp_path / "py-spy", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {mark}\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(py_spy, "_program", lambda: str(program))
    monkeypatch.setattr(py_spy, "_GRACE_S", 0)
    started = time.monotonic()
    with pytest.raises(PySpyError, match="did not come to an end"):
        py_spy.record(process.pid, 1)
    assert time.monotonic() - started < 30
    assert not py_spy._is_alive(int(mark.read_text()))


@needs_py_spy
def test_an_interrupt_ends_the_record_too(notebook, process):
    ran = notebook.run(f"print('started', flush=True)\n%pyspy {process.pid} -d 60", interrupt_at="started")
    assert ran.reply["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "required: PID|kernel"),
        ("abc", "is no process"),
        ("0", "is no process"),
        ("12 -d 0", "1 to 600 seconds"),
        ("12 -d 9999", "1 to 600 seconds"),
        ("12 -d x", "1 to 600 seconds"),
    ],
)
def test_mistakes_are_told_in_two_lines(notebook, line, reason):
    ran = notebook.run(f"%pyspy {line}")
    assert reason in ran.error
    assert len(ran.error.splitlines()) <= 2
