"""Work that a coroutine has handed to a thread and waits for: the coroutine is not on the thread's stack.

Django's ORM is called from coroutines that way, through asgiref's `sync_to_async`. The loop is then in the
coroutine, and the statement in the thread. While the thread works the coroutine stands still, so its frames
can be looked at as if they were on the stack.
"""

import asyncio
import gc
import itertools
import os
from types import AsyncGeneratorType, CoroutineType, FrameType
from typing import Any

# The file in whose `thread_handler` the work of the thread begins.
BRIDGES = (os.path.join("asgiref", "sync.py"),)  # noqa: PTH118 - compared as text
_MOST_TASKS = 300
_MOST_DEPTH = 200


def awaiting_frames(frame: FrameType) -> list[FrameType]:
    """The frames of the coroutines that wait for a thread's piece of work, innermost first.

    Args:
        frame: one of asgiref's on the stack of the thread.

    Returns:
        Nothing for other frames of asgiref's, and where it is not to be found who waits.
    """
    if frame.f_code.co_name != "thread_handler":
        return []
    # Both sides hold the list in which asgiref notes a task that the work may start.
    names = frame.f_locals
    loop, shared = names.get("loop"), names.get("task_context")
    if not isinstance(loop, asyncio.AbstractEventLoop) or shared is None:
        return []
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:  # the set has changed again and again while it was copied
        return []
    for task in itertools.islice(tasks, _MOST_TASKS):
        chain = _suspended(task.get_coro())
        if chain and _waits_for(chain[-1], shared):
            return chain[::-1]
    return []


def _waits_for(innermost: FrameType, shared: object) -> bool:
    return innermost.f_code.co_filename.endswith(BRIDGES) and innermost.f_locals.get("task_context") is shared


def _suspended(awaitable: Any) -> list[FrameType]:
    """The frames of a coroutine and of what it awaits, outermost first."""
    frames: list[FrameType | None] = []
    for _ in range(_MOST_DEPTH):
        # By type: a class of the user's own may answer any attribute, with any effect.
        if type(awaitable) is CoroutineType:
            frames.append(awaitable.cr_frame)
            awaitable = awaitable.cr_await
        elif type(awaitable) is AsyncGeneratorType:
            frames.append(awaitable.ag_frame)
            awaitable = awaitable.ag_await
        elif type(awaitable).__name__ == "async_generator_asend":  # one step of `async for`, by C
            awaitable = next((one for one in gc.get_referents(awaitable) if _is_generator(one)), None)
        else:
            break
    return [frame for frame in frames if frame is not None]


def _is_generator(thing: object) -> bool:
    return type(thing) is AsyncGeneratorType
