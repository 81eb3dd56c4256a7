"""What the lab says while it works: a bar in a terminal, plain lines elsewhere, nothing for what is quick."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from perfkit.lab.guard import FileLock

QUICK_S = 2.0  # what is done within two seconds needs no bar
_QUIET_WAIT_S = 1.0


class Reporter(Protocol):
    """Takes the news of a long piece of work; used as a context manager around it."""

    def __enter__(self) -> "Reporter": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def begin(self, title: str, total_rows: int) -> None:
        """The work starts and will handle so many rows."""

    def advance(self, step: str, rows: int) -> None:
        """So many more rows are done, in the step of that name."""


def note(text: str) -> None:
    """Tell the person one line, on the error stream so that a program's output stays clean."""
    sys.stderr.write(f"perfkit: {text}\n")
    sys.stderr.flush()


def _format_rows(rows: int) -> str:
    return f"{rows:,} rows"


class PlainReporter:
    """One line every two seconds, for logs and notebooks."""

    def __init__(self) -> None:
        self._title = ""
        self._total = self._done = 0
        self._told = 0.0

    def __enter__(self) -> "PlainReporter":
        self._told = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, title: str, total_rows: int) -> None:
        """Remember what the lines are about."""
        self._title, self._total, self._done = title, total_rows, 0

    def advance(self, step: str, rows: int) -> None:
        """Write a line unless the last one is less than two seconds old."""
        self._done += rows
        if time.monotonic() - self._told >= QUICK_S:
            self._told = time.monotonic()
            note(f"{self._title}: {step}, {self._done:,} of {_format_rows(self._total)}")


class BarReporter:
    """A bar, shown once the work has lasted two seconds and gone when it is done."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._title = ""
        self._began = 0.0
        self._shown = False

    def __enter__(self) -> "BarReporter":
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()

    def begin(self, title: str, total_rows: int) -> None:
        """Prepare the bar."""
        self._title = title
        self._task = self._bar.add_task(title, total=total_rows)

    def advance(self, step: str, rows: int) -> None:
        """Move the bar."""
        assert self._task is not None
        if not self._shown and time.monotonic() - self._began >= QUICK_S:
            self._shown = True
            self._bar.start()
        self._bar.update(self._task, advance=rows, description=f"{self._title}: {step}")


def reporter() -> Reporter:
    """Return the reporter that suits where the error stream goes."""
    # rich takes a notebook for a terminal and then asks for ipywidgets; plain lines serve better there.
    console = Console(stderr=True, force_jupyter=False)
    return BarReporter(console) if console.is_terminal and sys.stderr.isatty() else PlainReporter()


@contextmanager
def waiting_for(lock: FileLock, text: str) -> Iterator[None]:
    """Hold a lock; when somebody else has it for longer than a second, say so once and go on waiting."""
    deadline = time.monotonic() + _QUIET_WAIT_S
    while not (taken := lock.try_acquire()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not taken:
        note(f"{text}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
