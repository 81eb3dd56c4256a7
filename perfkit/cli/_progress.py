"""How far a notebook is: a bar in a terminal after two seconds, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from perfkit.cli._shared import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from perfkit.report.cells import CellPlace

_QUICK_S = 2.0  # what is done within two seconds needs no bar


class CellProgress:
    """Tells which cell runs. Used as a context manager around one notebook, and called before each cell."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._told = time.monotonic()

    def __enter__(self) -> "CellProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, ordinal: int, total: int, place: "CellPlace") -> None:
        """Cell number `ordinal` of `total` starts."""
        if self._bar is None and time.monotonic() - self._told < _QUICK_S:
            return
        if not sys.stdout.isatty():
            self._told = time.monotonic()
            say(f"  {self._name}: {place.label} of {total}")
            return
        self._show(ordinal, total, place)

    def _show(self, ordinal: int, total: int, place: "CellPlace") -> None:
        if self._bar is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task(self._name, total=total)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=ordinal - 1, description=f"{self._name}: {place.label}")


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # rich takes a notebook for a terminal and then asks for ipywidgets.
    return Progress(*columns, console=Console(force_jupyter=False), transient=True)
