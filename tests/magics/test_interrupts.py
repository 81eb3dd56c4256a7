"""Ctrl-C, kernels that restart, servers that die: the report still appears and the next cell works."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest
from conftest import DATABASE

from tests.plan_server import start_server


@pytest.mark.parametrize("magic", ["querycount", "profile", "memtrace", "diagnose", "explain"])
def test_an_interrupt_in_sync_code_ends_the_cell_with_its_report(notebook, magic):
    ran = notebook.run(
        f"%%{magic} kept\nask(1)\nprint('started', flush=True)\nwhile True:\n    pass", interrupt_at="started"
    )
    assert ran.reply["ename"] == "KeyboardInterrupt"
    assert [trace["error"] for trace in ran.traces] == ["KeyboardInterrupt"]
    assert notebook.value("kept.trace.error") == "KeyboardInterrupt"
    assert notebook.run("%%querycount\nask(1)").status == "ok"


@pytest.mark.parametrize("magic", ["querycount", "profile"])
def test_an_interrupt_in_an_await_takes_effect_while_it_waits(notebook, magic):
    # The await never ends: without our heartbeat neither does the test.
    ran = notebook.run(
        f"%%{magic}\nask(1)\nprint('started', flush=True)\nawait asyncio.Event().wait()",
        interrupt_at="started",
    )
    assert ran.reply["ename"] in ("CancelledError", "KeyboardInterrupt")
    assert len(ran.traces) == 1
    assert notebook.run("%%querycount\nawait asyncio.sleep(0)\nask(1)").status == "ok"


def test_the_heartbeat_ends_with_the_cell(notebook):
    notebook.run("%%querycount\nawait asyncio.sleep(0)")
    beats = notebook.run(
        "await asyncio.sleep(0)\n"
        "[handle for handle in asyncio.get_running_loop()._scheduled\n"
        " if 'MeasuredCell' in repr(handle) and not handle.cancelled()]"
    )
    assert beats.shown == "[]"


def test_after_a_restart_in_the_middle_of_a_cell_all_is_new(own_kernel):
    own_kernel.run("%load_ext perfkit")
    own_kernel.run(DATABASE)

    def restart(message):
        if "started" in message["content"].get("text", ""):
            own_kernel.manager.restart_kernel(now=True)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        own_kernel.client.execute_interactive(
            "%%diagnose\nprint('started', flush=True)\nwhile True: pass", output_hook=restart, timeout=60
        )
    own_kernel.client.wait_for_ready(timeout=60)
    own_kernel.run("%load_ext perfkit")
    own_kernel.run(DATABASE)
    ran = own_kernel.run("%%querycount\nask(4)")
    assert (ran.shown, len(ran.traces)) == ("4", 1)


@pytest.fixture
def postgresql() -> Iterator[tuple[str, int]]:
    """The address of a PostgreSQL of its own, and the id of its main process."""
    # Not tmp_path: the account of the server may not enter pytest's folders.
    folder = tempfile.mkdtemp(prefix="pk", dir="/tmp")
    server = start_server(f"{folder}/server")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    pid = server.get_pid()
    yield url, pid
    try:
        os.kill(pid, signal.SIGQUIT)
    except ProcessLookupError:
        pass
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("magics", ["%%querycount", "%%diagnose", "%%explain"])
def test_a_server_that_dies_shows_the_users_error_and_the_report(notebook, postgresql, magics):
    url, pid = postgresql
    notebook.run(f"import os, signal, time\nserver = sa.create_engine({url!r})")
    ran = notebook.run(
        f"{magics} kept\n"
        "with server.connect() as c:\n"
        "    c.exec_driver_sql('select 1').all()\n"
        f"    os.kill({pid}, signal.SIGQUIT)\n"
        "    for _ in range(10_000):\n"
        "        c.exec_driver_sql('select 2').all()\n"
    )
    assert ran.status == "error"
    assert ran.reply["ename"] == "OperationalError"
    assert [trace["error"] for trace in ran.traces] == ["OperationalError"]
    assert notebook.run("%%querycount\nask(1)").status == "ok"
    down = notebook.run("%%explain -e server\nselect 1")
    assert down.error.startswith("UsageError: %%explain: No connection to the database")
    assert len(down.error.splitlines()) <= 2
    notebook.run("server.dispose()")
