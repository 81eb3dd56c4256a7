"""Ctrl-C, or the wish that this process ends: the work stops, and what must come after it still does."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruptible:
    """Within it, a signal cancels the work that runs, and `KeyboardInterrupt` is raised at the end.

    The signals' usual handlers raise it wherever the program happens to be. One that comes while a kernel is
    being shut down would leave that behind, and this process waiting for its channels for ever.
    """

    def __init__(self) -> None:
        self._came = False
        self._work: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruptible":
        if threading.current_thread() is threading.main_thread():  # only it may, and only it gets any
            for number in _SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came:
            raise KeyboardInterrupt from None

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work that a signal cancels, also one that came before."""
        task = asyncio.ensure_future(work)
        self._work = (asyncio.get_running_loop(), task)
        if self._came:
            task.cancel()
        try:
            await task
        finally:
            self._work = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if self._work is not None:
            loop, task = self._work
            loop.call_soon_threadsafe(task.cancel)
