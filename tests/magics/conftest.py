"""A real kernel, shared by the tests and reset between them, and a terminal shell in this process."""

import atexit
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.manager import KernelManager
from traitlets.config import Config

from perfkit.session import MIME_TRACE

WAIT_S = 60
# What perfkit could have left in the kernel, printed as JSON.
PROBE = """
def _probe():
    import gc, json, os, sys, threading, tracemalloc
    from sqlalchemy.engine import Dialect, Engine
    shell = get_ipython()
    def listeners(cls, event):
        return len(getattr(cls.dispatch, event)._clslevel.get(cls, ()))
    events = ("before_cursor_execute", "after_cursor_execute", "begin", "commit", "rollback")
    monitoring = getattr(sys, "monitoring", None)
    magics = shell.magics_manager.magics
    return json.dumps({
        "transformers": [repr(t) for t in shell.input_transformers_cleanup],
        "ast": [repr(t) for t in shell.ast_transformers],
        "callbacks": {name: len(functions) for name, functions in shell.events.callbacks.items()},
        "magics": sorted(magics["cell"]) + sorted(magics["line"]),
        "attributes": sorted(name for name in vars(shell) if "perfkit" in name),
        "listeners": [listeners(Engine, name) for name in events] + [listeners(Dialect, "handle_error")],
        "profiler": str(sys.getprofile()),
        "tracer": str(sys.gettrace()),
        "tools": [monitoring.get_tool(i) for i in range(6)] if monitoring else [],
        "tracemalloc": tracemalloc.is_tracing(),
        "threads": sorted(t.name for t in threading.enumerate()),
        "children": [task for t in os.listdir("/proc/self/task")
                     for task in open(f"/proc/self/task/{t}/children").read().split()]
                    if os.path.exists("/proc/self/task") else [],
    })
__import__("builtins").print(_probe())  # whatever the cell has called print
del _probe
"""


def colourless(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@dataclass
class Ran:
    """One executed cell."""

    reply: dict[str, Any]
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.reply["status"]

    @property
    def label(self) -> str:
        """The prompt of the cell, as reports name it."""
        return f"Cell In[{self.reply['execution_count']}]"

    @property
    def printed(self) -> str:
        return "".join(item["text"] for item in self.outputs if "text" in item)

    @property
    def shown(self) -> str:
        """The value of the last expression, as text."""
        return self.values[-1] if self.values else ""

    @property
    def values(self) -> list[str]:
        """Every value that IPython showed as `Out`, as text."""
        results = (item for item in self.outputs if "execution_count" in item and "data" in item)
        return [item["data"]["text/plain"] for item in results]

    @property
    def error(self) -> str:
        """What the cell shows of its error, without the colours of a terminal."""
        lines = (line for item in self.outputs for line in item.get("traceback", ()))
        return colourless("\n".join(lines))

    @property
    def bundles(self) -> list[dict[str, Any]]:
        """What our reports carry, in the order in which they were shown."""
        return [item["data"] for item in self.outputs if MIME_TRACE in item.get("data", {})]

    @property
    def traces(self) -> list[dict[str, Any]]:
        return [bundle[MIME_TRACE]["trace"] for bundle in self.bundles]


class Notebook:
    """Runs cells in a kernel, as a frontend does."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=WAIT_S)

    def run(self, code: str, *, interrupt_at: str | None = None, **options: Any) -> Ran:
        """Execute a cell; interrupt the kernel as soon as the cell prints `interrupt_at`."""
        outputs: list[dict[str, Any]] = []

        def collect(message: dict[str, Any]) -> None:
            outputs.append(message["content"])
            if interrupt_at and interrupt_at in message["content"].get("text", ""):
                self.manager.interrupt_kernel()

        reply = self.client.execute_interactive(
            code, output_hook=collect, allow_stdin=False, stop_on_error=False, timeout=WAIT_S, **options
        )
        return Ran(reply["content"], outputs)

    def value(self, expression: str) -> Any:
        """An expression's value, by way of JSON."""
        ran = self.run(f"import json; print(json.dumps({expression}))", store_history=False)
        assert ran.status == "ok", ran.error
        return json.loads(ran.printed)

    def probe(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(PROBE, store_history=False).printed)
        return found

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


def start_notebook() -> Notebook:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=["--HistoryManager.hist_file=:memory:"])
    return Notebook(manager)


@pytest.fixture(scope="session")
def kernel() -> Iterator[Notebook]:
    notebook = start_notebook()
    # The first large output starts a thread of ZeroMQ, which then stays.
    notebook.run("import perfkit.magics, sqlalchemy, asyncio, memory_profiler\nprint('x' * 1_000_000)")
    yield notebook
    notebook.close()


@pytest.fixture
def own_kernel() -> Iterator[Notebook]:
    """A kernel in which nothing else ever ran."""
    notebook = start_notebook()
    yield notebook
    notebook.close()


DATABASE = """
import asyncio, sqlalchemy as sa
engine = sa.create_engine("sqlite://")
def ask(number):
    with engine.connect() as connection:
        return connection.execute(sa.text("select :n"), {"n": number}).scalar()
"""


@pytest.fixture
def notebook(kernel: Notebook) -> Iterator[Notebook]:
    """A kernel with perfkit loaded, one engine, and `ask(n)`, which sends one statement and returns n."""
    kernel.run("%reset -f", store_history=False)
    before = kernel.probe()
    assert kernel.run("%load_ext perfkit", store_history=False).status == "ok"
    kernel.run(DATABASE, store_history=False)
    yield kernel
    kernel.run("get_ipython().ast_node_interactivity = 'last_expr'\nengine.dispose()", store_history=False)
    unloaded = kernel.run("%unload_ext perfkit", store_history=False)
    assert unloaded.status == "ok", unloaded.error
    assert kernel.probe() == before


class Terminal:
    """A shell without a kernel, in this process."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def run(self, code: str) -> tuple[Any, str]:
        """Execute a cell; returns IPython's result and everything that was shown."""
        with capture_output() as captured:
            result = self.shell.run_cell(code, store_history=True)
        reports = "".join(item.data["text/plain"] for item in captured.outputs)
        return result, colourless(captured.stdout + captured.stderr + reports)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal shell with perfkit loaded."""
    from perfkit.magics import load_ipython_extension, unload_ipython_extension

    config = Config()
    config.HistoryManager.enabled = False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(config=config)
    before = _state(shell)
    load_ipython_extension(shell)
    yield Terminal(shell)
    unload_ipython_extension(shell)
    assert _state(shell) == before
    shell.atexit_operations()
    atexit.unregister(shell.atexit_operations)
    InteractiveShell.clear_instance()


def _state(shell: InteractiveShell) -> object:
    return (
        list(shell.input_transformers_cleanup),
        list(shell.ast_transformers),
        {name: list(functions) for name, functions in shell.events.callbacks.items()},
        {kind: dict(table) for kind, table in shell.magics_manager.magics.items()},
        [name for name in vars(shell) if "perfkit" in name],
    )
