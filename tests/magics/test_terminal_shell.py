"""The magics in IPython without a kernel."""

import asyncio
import os
import signal

from IPython.core.magic import Magics

DATABASE = "import sqlalchemy as sa\nengine = sa.create_engine('sqlite://')"
ASK = "with engine.connect() as c:\n    found = c.exec_driver_sql('select 7').scalar()\nfound"


def test_a_cell_is_measured_and_reported_as_text(terminal):
    terminal.run(DATABASE)
    result, shown = terminal.run(f"%%querycount kept\n{ASK}")
    assert (result.success, result.result) == (True, 7)
    assert "kept: 1 statement in 1 shape" in shown
    assert type(terminal.shell.user_ns["kept"]).__name__ == "Result"
    terminal.run("engine.dispose()")


def test_await_works(terminal):
    result, shown = terminal.run("%%profile\nimport asyncio\nawait asyncio.sleep(0)\n3")
    assert (result.success, result.result) == (True, 3)
    assert "attributed" in shown


def test_a_failure_is_a_failure(terminal):
    result, shown = terminal.run("%%querycount\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "The block ended with ZeroDivisionError." in shown


def test_an_interrupt_in_an_await_ends_the_measurement(terminal):
    terminal.shell.user_ns.update(os=os, signal=signal, asyncio=asyncio)
    result, shown = terminal.run(
        "%%profile\n"
        "asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)\n"
        "await asyncio.sleep(60)"
    )
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    assert "The block ended with KeyboardInterrupt." in shown


def test_a_mistake_is_a_line_or_two(terminal):
    result, shown = terminal.run("%%querycount --fast\n1")
    assert not result.success
    assert shown.strip().splitlines()[0] == "UsageError: %%querycount: unrecognized arguments: --fast."


def test_a_cell_being_typed_is_complete_only_after_a_blank_line(terminal):
    complete = terminal.shell.check_complete
    assert complete("%%querycount")[0] == "incomplete"
    assert complete("%%querycount\nx = 1")[0] == "incomplete"
    assert complete("%%querycount\nx = 1\n\n")[0] == "complete"


def test_unloading_brings_back_a_magic_of_the_same_name(terminal):
    from perfkit.magics import load_ipython_extension, unload_ipython_extension

    shell = terminal.shell
    unload_ipython_extension(shell)
    shell.register_magic_function(lambda line, cell: "theirs", "cell", "profile")
    load_ipython_extension(shell)
    assert terminal.run("%%profile\n1")[0].result == 1
    unload_ipython_extension(shell)
    assert terminal.run("%%profile\n1")[0].result == "theirs"
    del shell.magics_manager.magics["cell"]["profile"]
    load_ipython_extension(shell)
    assert isinstance(shell.magics_manager.registry["UserMagics"], Magics)
