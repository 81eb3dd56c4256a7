"""cProfile confined to the thread that it was started in.

Up to Python 3.11 cProfile is so by itself. Since 3.12 it listens to `sys.monitoring`, whose events come from
every thread, and puts all of them on one call stack (python/cpython#124656): in a kernel, which always runs
some threads of its own, callers and times then come out wrong. Here cProfile's tool gets events only of code
that was first seen in the profiled thread, which costs what cProfile costs. Code that other threads may run
too is dispatched by thread, in C, which costs about twice as much for those calls and is always exact.
"""

import cProfile
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any, Protocol

from perfkit.capture._code_origin import HOST_PACKAGES, origin
from perfkit.capture._running_frames import running_frames

monitoring: Any = getattr(sys, "monitoring", None)
PROFILER_ID = 2  # sys.monitoring.PROFILER_ID, fixed by PEP 669; cProfile takes no other
_TOOL_NAME, _OWN_NAME = "cProfile", "perfkit"  # _lsprof registers under the first
# PEP 669 reserves 0 to 2 and 5 for debuggers, coverage, profilers and optimisers; 3 and 4 are anybody's.
_FREE_IDS = (4, 3, 5, 1, 0)
_EVENT_NAMES = (
    *("PY_START", "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD", "PY_UNWIND"),
    *("CALL", "C_RETURN", "C_RAISE"),
)
_SHARED_ORIGINS = frozenset({"own", "host", "stdlib"})
_HOUSEKEEPERS = HOST_PACKAGES | {"perfkit", "pydevd"}


class ThreadProfile(Protocol):
    """A profiler of one thread.

    `was_displaced` says, after `stop`, whether it had been switched off before.
    """

    was_displaced: bool

    def start(self) -> None:
        """Begin to record the calling thread."""

    def stop(self) -> None:
        """End it, in the same thread; nothing stays enabled."""

    def entries(self) -> list[Any]:
        """What was recorded: the entries of `_lsprof.Profiler.getstats`."""


def thread_profile() -> ThreadProfile:
    """A profiler for the calling thread that is right on this Python."""
    return PlainThreadProfile() if monitoring is None else MonitoredThreadProfile()


class PlainThreadProfile:
    """cProfile as it is, for Python 3.11, where it records one thread only."""

    def __init__(self) -> None:
        self.was_displaced = False
        self._profile = cProfile.Profile()

    def start(self) -> None:
        """Begin to record the calling thread."""
        self._profile.enable()

    def stop(self) -> None:
        """End it."""
        hook: object = sys.getprofile()
        self.was_displaced = hook is not self._profile
        self._profile.disable()

    def entries(self) -> list[Any]:
        """What was recorded."""
        return self._profile.getstats()


class _OnlyHere(threading.local):
    """A callback for one thread, nothing for the others.

    The way from the call to the callback runs in C throughout. A Python function in its place would fail at
    the recursion limit, and from then on the profiler's call stack would be off by one.
    """

    callback: Callable[..., object] = staticmethod(lambda *_args: None)
    __call__ = property(operator.attrgetter("callback"))


class MonitoredThreadProfile:
    """cProfile for one thread on Python 3.12 and later."""

    def __init__(self) -> None:
        self.was_displaced = False
        self._profile = cProfile.Profile()
        self._tools: list[int] = []
        self._watched: dict[int, tuple[int, CodeType]] = {}
        self._guarded: dict[int, _OnlyHere] = {}

    def start(self) -> None:
        """Begin to record the calling thread.

        Raises:
            ValueError: if another profiler holds the interpreter.
        """
        self._profile.enable()
        try:
            self._confine()
            self._profile.clear()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; nothing stays enabled."""
        self.was_displaced = monitoring.get_tool(PROFILER_ID) != _TOOL_NAME
        self._tools = [tool for tool in self._tools if monitoring.get_tool(tool) == _OWN_NAME]
        for tool in self._tools:
            monitoring.set_events(tool, 0)
        try:
            self._profile.disable()
        except ValueError:
            pass  # another profiler has taken the tool from cProfile: there is nothing left to disable
        self._unwatch()

    def entries(self) -> list[Any]:
        """What was recorded."""
        return self._profile.getstats()

    def _confine(self) -> None:
        direct = {}
        for event in _events(*_EVENT_NAMES):
            direct[event] = monitoring.register_callback(PROFILER_ID, event, None)
            self._guarded[event] = _OnlyHere()
            self._guarded[event].callback = direct[event]
        self._register(PROFILER_ID, self._guarded)
        tools = [tool for tool in _FREE_IDS if monitoring.get_tool(tool) is None][:2]
        if len(tools) == 2 and not foreign_user_threads():
            self._listen_locally(direct, *tools)

    def _listen_locally(self, direct: dict[int, Any], discovery: int, shared: int) -> None:
        for tool in (discovery, shared):
            monitoring.use_tool_id(tool, _OWN_NAME)
            self._tools.append(tool)
        # Throwing into a generator and unwinding have no local events: these two stay guarded.
        throw, unwind = _events("PY_THROW", "PY_UNWIND")
        monitoring.set_events(PROFILER_ID, throw | unwind)
        self._register(PROFILER_ID, {e: call for e, call in direct.items() if e not in (throw, unwind)})
        self._register(shared, {e: call for e, call in self._guarded.items() if e not in (throw, unwind)})
        start, resume = _events("PY_START", "PY_RESUME")
        on_start, on_throw = self._discoverers(direct[start], shared)
        self._register(discovery, {start: on_start, resume: on_start, throw: on_throw})
        monitoring.restart_events()
        monitoring.set_events(discovery, start | resume | throw)

    def _discoverers(
        self, enter: Callable[[CodeType, int], object], shared: int
    ) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Callbacks that put each code object under watch when the profiled thread first runs it."""
        me, get_ident, watched = threading.get_ident(), threading.get_ident, self._watched
        known = set(running_frames())
        is_shared = len(known) > 1
        local = 0
        for event in _events("PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD", "CALL"):
            local |= event
        disable, set_local_events = monitoring.DISABLE, monitoring.set_local_events

        def watch(code: CodeType) -> None:
            if monitoring.get_tool(PROFILER_ID) != _TOOL_NAME:
                # The block has switched the profiler off: its code must not hear of ours.
                monitoring.set_events(self._tools[0], 0)
                return
            tool = shared if is_shared and origin(code.co_filename) in _SHARED_ORIGINS else PROFILER_ID
            watched[id(code)] = (tool, code)
            set_local_events(tool, code, local)

        def on_start(code: CodeType, offset: int) -> object:
            if (ident := get_ident()) != me:
                if ident not in known:
                    known.add(ident)
                    self._register(PROFILER_ID, self._guarded)
                return None
            # By identity: code objects compare by value, and each of two equal ones needs its own events.
            if id(code) not in watched:
                watch(code)
                enter(code, offset)
            return disable

        def on_throw(code: CodeType, _offset: int, _exception: BaseException) -> None:
            if get_ident() == me and id(code) not in watched:
                watch(code)

        return on_start, on_throw

    def _register(self, tool: int, callbacks: dict[int, Any]) -> None:
        for event, callback in callbacks.items():
            monitoring.register_callback(tool, event, callback)

    def _unwatch(self) -> None:
        """Take the events off the code. cProfile gave its tool back before: the time is not the block's."""
        tools, self._tools = self._tools, []
        if not tools:
            return
        try:
            monitoring.use_tool_id(PROFILER_ID, _OWN_NAME)
            tools.append(PROFILER_ID)
        except ValueError:
            pass  # another profiler was quicker; it hears no events but those that it asks for
        for tool, code in self._watched.values():
            if tool in tools:
                monitoring.set_local_events(tool, code, 0)
        self._watched.clear()
        for tool in tools:
            for event in _events(*_EVENT_NAMES):
                monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)


def _events(*names: str) -> Iterator[int]:
    return (getattr(monitoring.events, name) for name in names)


def foreign_user_threads() -> bool:
    """Whether a thread is alive, beside the calling one, that may run code of the user or of any library.

    The kernel's, IPython's, the debugger's and perfkit's threads run only their own packages and the standard
    library. Every other thread may run anything at any moment, an idle worker of a pool included; so may a
    thread that was not started through `threading`.
    """
    others = {ident for ident in running_frames() if ident != threading.get_ident()}
    return not others <= {thread.ident for thread in threading.enumerate() if _is_housekeeping(thread)}


def _is_housekeeping(thread: threading.Thread) -> bool:
    module = type(thread).__module__
    target = getattr(thread, "_target", None)
    if module == "threading" and isinstance(target, FunctionType | MethodType):
        module = target.__module__
    return module.partition(".")[0] in _HOUSEKEEPERS
