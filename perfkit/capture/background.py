"""Who was at work before the block began: a statement of theirs is not the block's.

A thread or task that exists before the block and is at work there is background, whoever asks it. Three
exceptions keep the block's own work in: the thread and the task that the block runs in; a task that began
inside the block, whatever thread its event loop runs in; and a pool's worker that waited for work when the
block began. A worker that was busy then is background until it has finished that piece of work.
"""

import asyncio
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from perfkit.capture._running_frames import running_frames

# Where the threads of a pool wait between two pieces of work.
_WORKERS = tuple(
    (os.path.join(*parts), name)  # noqa: PTH118 - compared as text
    for parts, name in (
        (("concurrent", "futures", "thread.py"), "_worker"),
        (("multiprocessing", "pool.py"), "worker"),
        (("anyio", "_backends", "_asyncio.py"), "run"),
        (("aiosqlite", "core.py"), "_connection_worker_thread"),
    )
)
_WAITING = (f"{os.sep}queue.py", f"{os.sep}threading.py")
_MAX_FRAMES = 400


class _AtWork:
    """Marks a frame that was running before the block; see `perfkit.capture.loops` on marks."""

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Do nothing: a debugger that starts inside the block calls this in place of a trace function."""


class Background:
    """The threads and tasks that were at work when `look` was called."""

    def __init__(self) -> None:
        self._threads: dict[int, threading.Thread] = {}
        self._busy_workers: set[int] = set()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._mark = _AtWork()
        self.is_any = False

    def look(self) -> None:
        """Remember who is at work now; called by the thread, and in the task, that the block runs in."""
        frames = running_frames()
        for thread in threading.enumerate():
            frame = frames.get(thread.ident or 0)
            if frame is None or thread is threading.current_thread():
                continue
            work = _piece_of_work(frame)
            if work is frame:
                continue
            self._threads[thread.ident or 0] = thread
            if work is not None and work.f_trace is None:
                work.f_trace = self._mark
                self._busy_workers.add(thread.ident or 0)
        loop = asyncio._get_running_loop()
        if loop is not None:
            self._tasks.update(asyncio.all_tasks(loop))
            self._tasks.discard(asyncio.current_task())  # type: ignore[arg-type]
        self.is_any = bool(self._threads or self._tasks)

    def covers(self, thread_id: int, task: "asyncio.Task[Any] | None") -> bool:
        """Whether work of this thread (the current one) and task is none of the block's."""
        if task is not None:
            return task in self._tasks if self._tasks else False
        if thread_id not in self._threads:
            return False
        if self._threads[thread_id] is not threading.current_thread():
            return False  # the number of a thread that ended was given to a new one
        if thread_id not in self._busy_workers:
            return True
        return any(frame.f_trace is self._mark for frame in _stack(sys._getframe(1)))

    def forget(self) -> None:
        """Take the marks off frames that still run."""
        if not self._busy_workers:
            return
        for top in running_frames().values():
            for frame in _stack(top):
                if frame.f_trace is self._mark:
                    frame.f_trace = None


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _piece_of_work(top: FrameType) -> FrameType | None:
    """What a pool's worker is busy with: its outermost frame; `top` for one that waits; None for others."""
    inner: FrameType | None = None
    for frame in _stack(top):
        if frame.f_code.co_filename.endswith(_WAITING) and inner is None:
            continue
        if any(
            frame.f_code.co_name == name and frame.f_code.co_filename.endswith(path)
            for path, name in _WORKERS
        ):
            return inner or top
        inner = frame
    return None
