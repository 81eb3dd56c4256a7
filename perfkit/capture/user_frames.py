"""The frames from a statement outwards: which are the user's, and what they called."""

import os
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from perfkit.capture.bridges import BRIDGES, awaiting_frames
from perfkit.capture.call_site import is_user_file

# Far deeper than real call chains; bounds the cost at the recursion limit.
_MAX_FRAMES = 400
# An event loop runs unrelated tasks from one frame: what is above it is no loop of the user's.
_EVENT_LOOPS = tuple(
    os.path.join(*parts)  # noqa: PTH118 - compared as text
    for parts in (
        ("asyncio", "events.py"),
        ("asyncio", "base_events.py"),
        ("asyncio", "runners.py"),
        ("trio", "_core", "_run.py"),
    )
)


# What a frame may belong to. A sender is a library that sends statements on somebody's behalf.
# From a bridge, the way outwards may go on in a coroutine that waits for this thread.
_OWN, _LIBRARY, _SENDER, _EVENT_LOOP, _BRIDGE = "own", "library", "sender", "event loop", "bridge"
_kinds: dict[str, str] = {}
_MAX_PATHS = 4096
_SENDERS = ("sqlalchemy.", "django.db.", "psycopg", "sqlite3")


def user_frames(
    frame: FrameType | None,
) -> Iterator[tuple[FrameType, FrameType | None, FrameType | None]]:
    """The user's frames from here outwards, each with the library's frames that it called, if it did.

    The first of the two is the library's outermost. The second is the outermost frame of the library that
    sends, where another library, a template say, stands between.
    """
    entered: FrameType | None = None
    sender = innermost = frame
    kinds, before = _kinds, _SENDER
    greenlet: Any = None
    for _ in range(_MAX_FRAMES):
        if frame is None:
            greenlet = _outer_greenlet(greenlet)
            if greenlet is None:
                return
            frame = greenlet.gr_frame
            continue
        kind = kinds.get(frame.f_code.co_filename) or _kind(frame)
        if kind is _SENDER:
            entered = frame
            if before is _SENDER:
                sender = frame
        elif kind is _LIBRARY:
            entered = frame
            if frame is not innermost:
                before = kind
        elif kind is _OWN:
            yield frame, entered, sender or entered
            entered, sender, before = None, None, _SENDER
        elif kind is _EVENT_LOOP:
            return
        else:
            entered, waiting = frame, awaiting_frames(frame)
            yield from _waiting_frames(waiting, sender)
            frame = waiting[-1] if waiting else frame  # nothing called the outermost but its event loop
        frame = frame.f_back


def _waiting_frames(
    waiting: list[FrameType], sender: FrameType | None
) -> Iterator[tuple[FrameType, FrameType | None, FrameType | None]]:
    """The same for the coroutines that wait for a thread; beyond them is an event loop."""
    entered: FrameType | None = None
    for frame in waiting:
        if (_kinds.get(frame.f_code.co_filename) or _kind(frame)) is _OWN:
            yield frame, entered, sender or entered
            entered, sender = None, None
        else:
            entered = frame


def _kind(frame: FrameType) -> str:
    """Whose code a frame runs; remembered by file, because every statement asks for every frame above it."""
    if len(_kinds) > _MAX_PATHS:
        _kinds.clear()
    path = frame.f_code.co_filename
    if path.endswith(_EVENT_LOOPS):
        kind = _EVENT_LOOP
    elif is_user_file(path):
        kind = _OWN
    else:
        kind = _SENDER if str(frame.f_globals.get("__name__")).startswith(_SENDERS) else _LIBRARY
        kind = _BRIDGE if path.endswith(BRIDGES) else kind
        if path.startswith("<"):
            return kind  # `<string>` is the path of whatever was generated, by any library
    _kinds[path] = kind
    return kind


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames from here outwards, across greenlets, up to the event loop."""
    greenlet: Any = None
    for _ in range(_MAX_FRAMES):
        if frame is None:
            greenlet = _outer_greenlet(greenlet)
            if greenlet is None:
                return
            frame = greenlet.gr_frame
            continue
        if frame.f_code.co_filename.endswith(_EVENT_LOOPS):
            return
        yield frame
        frame = frame.f_back


def _outer_greenlet(greenlet: Any) -> Any:
    """The greenlet that is waiting for this one: SQLAlchemy runs its async API in a greenlet of its own."""
    module = sys.modules.get("greenlet")
    if module is None:
        return None
    current = module.getcurrent() if greenlet is None else greenlet
    return current.parent
