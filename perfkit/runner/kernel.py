"""Run the cells of a notebook in a kernel of this very interpreter, and leave no kernel behind."""

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from perfkit.report.cells import unexpected_error
from perfkit.runner.files import RunError
from perfkit.runner.interrupt import Interruptible

CellHook = Callable[[int], None]
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_KERNEL_START_S = 60  # ten times what a cold, busy two-core machine needed


class CellFailedError(Exception):
    """The run ended at a cell: the position of the cell, the error's name and its message."""

    def __init__(self, index: int | None, name: str, message: str) -> None:
        super().__init__(name, message)
        self.index, self.name, self.message = index, name, message


class _InterpreterKernelManager(AsyncKernelManager):
    """Starts `python -m ipykernel_launcher` of this interpreter, whatever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class _Client(NotebookClient):  # type: ignore[misc]  # nbclient carries no types
    """Runs cells and remembers which one it is at."""

    current: int | None = None


def execute(
    notebook: Any,
    folder: Path,
    *,
    environment: Mapping[str, str],
    timeout_s: float,
    on_cell: CellHook,
) -> None:
    """Run every code cell, in place.

    Args:
        notebook: a notebook of format 4; its outputs are replaced.
        folder: the working folder of the kernel.
        environment: the kernel's environment variables.
        timeout_s: the longest that one cell may take, in seconds.
        on_cell: called with the position of each code cell before it runs.

    Raises:
        CellFailedError: a cell failed, took too long, or ended the kernel.
        RunError: no kernel could be started.
        KeyboardInterrupt: the person interrupted; the kernel is gone by then.
    """
    with tempfile.TemporaryFile() as log, Interruptible() as interruptible, asyncio.Runner() as runner:
        client = _Client(
            notebook,
            km=_InterpreterKernelManager(),
            resources={"metadata": {"path": str(folder)}},
            timeout=timeout_s,
            startup_timeout=_KERNEL_START_S,
        )
        try:
            runner.run(interruptible.run(_execute(client, dict(environment), on_cell, log)))
        finally:
            runner.run(_stop(client))


async def _execute(client: Any, environment: dict[str, str], on_cell: CellHook, log: IO[bytes]) -> None:
    await _start(client, environment, log)
    await _run_cells(client, on_cell, log)


async def _start(client: Any, environment: dict[str, str], log: IO[bytes]) -> None:
    try:
        await client.async_start_new_kernel(env=environment, stdout=log, stderr=log)
        await client.async_start_new_kernel_client()
        info = await client.async_wait_for_reply(client.kc.kernel_info())
        client.nb.metadata["language_info"] = info["content"]["language_info"]
    except (RuntimeError, OSError, DeadKernelError) as error:
        reason = _last_line(log) or str(error)
        raise RunError(
            f"The Jupyter kernel does not start: {reason}. Run `perfkit doctor` to see what is missing."
        ) from None


async def _run_cells(client: Any, on_cell: CellHook, log: IO[bytes]) -> None:
    client.reset_execution_trackers()
    for index, cell in enumerate(client.nb.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        on_cell(index)
        with _failures_of(index, log):
            await client.async_execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
        error = unexpected_error(cell)
        if error is not None:
            raise CellFailedError(index, error["ename"], _ESCAPES.sub("", error["evalue"]))
    client.set_widgets_metadata()


@contextlib.contextmanager
def _failures_of(index: int, log: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except CellExecutionError as error:
        raise CellFailedError(index, error.ename, _ESCAPES.sub("", error.evalue)) from None
    except CellTimeoutError as error:
        raise CellFailedError(index, "CellTimeoutError", str(error).splitlines()[0]) from None
    except DeadKernelError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # nbclient takes our own cancellation for a death of the kernel.
            raise asyncio.CancelledError from None
        said = _last_line(log)
        message = "the kernel died (out of memory, or the code ended the process)" + (
            f": {said}" if said else ""
        )
        raise CellFailedError(index, "DeadKernelError", message) from None


async def _stop(client: Any) -> None:
    """Ask the kernel to end, so that what it started ends too; after some seconds end it."""
    manager, channels = client.km, client.kc
    try:
        if manager is not None and manager.has_kernel:
            await manager.shutdown_kernel(now=not await manager.is_alive())
    finally:
        if channels is not None:
            channels.stop_channels()
        if manager is not None and manager.has_kernel:
            await manager.shutdown_kernel(now=True)


def _last_line(log: IO[bytes]) -> str:
    """The last thing that the kernel's process said itself, without the kernel's own log."""
    log.seek(0)
    lines = _ESCAPES.sub("", log.read().decode("utf-8", "replace")).strip().splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip() and "KernelApp]" not in line), "")
