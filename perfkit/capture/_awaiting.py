"""Where the tasks of an event loop stand while the loop has nothing to run.

Called from another thread while the loop's own thread waits in its selector, so nothing moves meanwhile.
Only the attributes of asyncio's tasks, coroutines and frames are read, never those of the user's objects.
"""

import asyncio
import itertools
import weakref
from collections.abc import Iterator
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any

_WAITS = ("selectors.py", "windows_events.py")
# Looking at one task takes about 1 µs, and the loop cannot go on meanwhile.
_MOST_TASKS = 300
_MOST_DEPTH = 200
CodePath = tuple[CodeType, ...]
_Task = asyncio.Task[Any]


class AwaitingTasks:
    """The tasks of one block: the one that runs it, and those that came to be since."""

    def __init__(self) -> None:
        self._root: _Task | None = None
        self._older: weakref.WeakSet[_Task] = weakref.WeakSet()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._root = asyncio.current_task(loop)
        self._older.update(asyncio.all_tasks(loop))

    def paths(self, loop: object) -> list[CodePath]:
        """Every chain of coroutines at whose end something is waited for, outermost first.

        Args:
            loop: the event loop that is waiting.
        """
        tasks = list(itertools.islice(self._tasks(loop), _MOST_TASKS))
        awaited = {id(other) for task in tasks for other in _awaited_by(task)}
        found: list[CodePath] = []
        seen: set[int] = set()
        for task in tasks:
            if id(task) not in awaited:
                found += _chains(task, (), seen)
        return found

    def _tasks(self, loop: object) -> Iterator[_Task]:
        if self._root is not None and not self._root.done():
            yield self._root
        if not isinstance(loop, asyncio.AbstractEventLoop):
            return
        try:
            tasks = asyncio.all_tasks(loop)
        except RuntimeError:  # the set has changed again and again while it was copied
            return
        yield from (task for task in tasks if task is not self._root and task not in self._older)


def waiting_loop(frame: FrameType) -> tuple[bool, object]:
    """Whether the thread of this frame waits in the selector of an event loop, and in which loop's."""
    code, caller = frame.f_code, frame.f_back
    if not code.co_filename.endswith(_WAITS) or caller is None:
        return False, None
    if caller.f_code.co_name != "_run_once":
        return False, None
    return True, caller.f_locals.get("self")


def _chains(task: _Task, above: CodePath, seen: set[int]) -> list[CodePath]:
    if id(task) in seen:
        return []
    seen.add(id(task))
    path = (*above, *itertools.islice(_coroutines(task.get_coro()), _MOST_DEPTH))
    below = [chain for other in _awaited_by(task) for chain in _chains(other, path, seen)]
    return below or [path]


def _coroutines(awaitable: object) -> Iterator[CodeType]:
    """The coroutine and what it awaits, down to the one that holds a future."""
    while True:
        # By type: a class of the user's own may answer any attribute, with any effect.
        if type(awaitable) is CoroutineType:
            yield awaitable.cr_code
            awaitable = awaitable.cr_await
        elif type(awaitable) is GeneratorType:
            yield awaitable.gi_code
            awaitable = awaitable.gi_yieldfrom
        elif type(awaitable) is AsyncGeneratorType:
            yield awaitable.ag_code
            awaitable = awaitable.ag_await
        else:
            return


def _awaited_by(task: _Task) -> list[_Task]:
    """The tasks that this one waits for, itself or through `gather`."""
    waiter = getattr(task, "_fut_waiter", None)
    if not isinstance(waiter, asyncio.Future):
        return []
    is_gather = type(waiter) is getattr(asyncio.tasks, "_GatheringFuture", None)
    others = [waiter, *getattr(waiter, "_children", ())] if is_gather else [waiter]
    return [other for other in others if isinstance(other, asyncio.Task) and not other.done()]
