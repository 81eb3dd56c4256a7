"""Where the time of a block went, function by function, measured by cProfile in the block's own thread."""

import sys
import time

from perfkit.capture._call_graph import BlockProfile, block_profile
from perfkit.capture._code_origin import asking_frame
from perfkit.capture._thread_profile import (
    PROFILER_ID,
    ThreadProfile,
    foreign_user_threads,
    monitoring,
    thread_profile,
)
from perfkit.model.cpu import CpuProfile

ENGINE = "cProfile, this thread"
# Below this coverage a profile says what it did not see (reference: 95 %, the loss seen with mixed threads
# began at 5 %); a part of the rest under 1 % of the wall time is not worth a sentence.
_FULL_COVERAGE = 0.95
_WORTH_A_NOTE = 0.01
_WORTH_A_NOTE_S = 0.0005
_DISPLACED = (
    "The profiler was switched off before the block ended: by another profiler in the block, or because the "
    "block ended in another thread. What came after is missing."
)
_GREENLETS = (
    "The block switches greenlets, as SQLAlchemy's async engines do: calls and own times are right, callers "
    "and cumulative times mix what runs on both sides of a switch."
)
_active: "CpuCollector | None" = None


class CpuProfilerBusyError(RuntimeError):
    """Another profiler holds the interpreter; the message names it and says how to free it."""


class CpuCollector:
    """Records the calling thread between `start` and `stop`."""

    def __init__(self) -> None:
        self._profile: ThreadProfile | None = None
        self._halted: tuple[ThreadProfile, float, float] | None = None
        self._result: CpuProfile | None = None
        self._start_s = 0.0
        self._start_cpu_s = 0.0
        self._started_in = ""

    def start(self) -> None:
        """Begin to record the calling thread.

        Raises:
            CpuProfilerBusyError: if another profiler is running; it is left alone.
        """
        global _active
        holder = profiler_holder()
        if holder:
            raise CpuProfilerBusyError(busy_message(holder))
        self._started_in = asking_frame(sys._getframe()).f_code.co_filename
        profile = thread_profile()
        try:
            profile.start()
        except ValueError as error:
            raise CpuProfilerBusyError(busy_message(profiler_holder() or "unknown")) from error
        self._profile, self._result, _active = profile, None, self
        self._mark()

    def _mark(self) -> None:
        # A frame of its own: the clock calls then are seen as perfkit's and left out with it.
        self._start_cpu_s, self._start_s = time.thread_time(), time.perf_counter()

    def halt(self) -> None:
        """End the recording, in the thread that began it, and leave no profiler enabled; quick."""
        global _active
        wall_s = time.perf_counter() - self._start_s
        cpu_s = time.thread_time() - self._start_cpu_s
        profile, self._profile = self._profile, None
        if profile is None:
            return
        try:
            profile.stop()
        finally:
            _active = None
        self._halted = (profile, wall_s, cpu_s)

    def stop(self) -> CpuProfile:
        """End the recording unless `halt` did, and put the profile together.

        Returns:
            What was recorded; the same again when called again, and an empty profile if nothing was started.
        """
        self.halt()
        if self._halted is None:
            return self._result or CpuProfile(ENGINE, 0.0, 0.0, 0.0, ())
        (profile, wall_s, cpu_s), self._halted = self._halted, None
        block = block_profile(profile.entries(), started_in=self._started_in)
        self._result = _cpu_profile(block, wall_s, cpu_s, was_displaced=profile.was_displaced)
        return self._result


def profiler_holder() -> str | None:
    """The name of the profiler that holds the interpreter, or this thread of it; `None` if it is free."""
    if _active is not None:
        return "perfkit"
    if monitoring is not None:
        name = monitoring.get_tool(PROFILER_ID)
        return None if name is None else str(name)
    hook = sys.getprofile()
    if hook is None:
        return None
    kind = hook if isinstance(hook, type(free_stuck_profiler)) else type(hook)
    is_cprofile = kind.__name__ in ("Profile", "Profiler")
    return "cProfile" if is_cprofile else f"{kind.__module__}.{kind.__qualname__}"


def free_stuck_profiler() -> str | None:
    """Switch off whatever profiler holds the interpreter, for one that an error has left enabled.

    Returns:
        Its name, `None` if there was none. What it had recorded stays with it.
    """
    holder = profiler_holder()
    if _active is not None:
        _active.stop()
    elif monitoring is None:
        sys.setprofile(None)
    elif holder is not None:
        monitoring.set_events(PROFILER_ID, 0)
        for event in _all_events():
            monitoring.register_callback(PROFILER_ID, event, None)
        monitoring.free_tool_id(PROFILER_ID)
    return holder


def _all_events() -> list[int]:
    events = vars(monitoring.events).values()
    return [event for event in events if isinstance(event, int) and event.bit_count() == 1]


def busy_message(holder: str) -> str:
    """What to do about the profiler of this name."""
    other = "perfkit, for another block" if holder == "perfkit" else holder
    return (
        f"Another profiler ({other}) is running: stop it first; if an error has left it on, free it with "
        "`from perfkit.capture.cpu import free_stuck_profiler; free_stuck_profiler()`."
    )


def _cpu_profile(block: BlockProfile, wall_s: float, cpu_s: float, *, was_displaced: bool) -> CpuProfile:
    attributed_s = sum(function.tottime for function in block.functions)
    return CpuProfile(
        ENGINE,
        wall_s * 1000,
        attributed_s * 1000,
        cpu_s * 1000,
        block.functions,
        (*((_DISPLACED,) if was_displaced else ()), *_notes(block, wall_s, attributed_s)),
    )


def _notes(block: BlockProfile, wall_s: float, attributed_s: float) -> tuple[str, ...]:
    parts = (
        (block.loop_wait, "waiting at an await: the event loop had nothing to run"),
        (block.host, "IPython and the event loop, which run the block"),
        (block.own, "perfkit's own recording of the block"),
        (wall_s - attributed_s - block.loop_wait - block.host - block.own, _unseen(block)),
    )
    notes = [f"{_ms(part_s)} not attributed: {what}." for part_s, what in parts if _matters(part_s, wall_s)]
    if notes and attributed_s / wall_s < _FULL_COVERAGE:
        notes.insert(0, "Less than 95 % of the time is in the functions below; the rest is listed here.")
    if block.ran_event_loop:
        notes.append("Every task that ran on this event loop meanwhile is included, not the block's alone.")
    if block.started_threads or foreign_user_threads():
        notes.append("What other threads did is not included.")
    if block.switched_greenlets:
        notes.append(_GREENLETS)
    return tuple(notes)


def _unseen(block: BlockProfile) -> str:
    if block.ran_event_loop:
        return "outside of any recorded call (the loop's own steps, native event loops)"
    return "the block's own lines outside of any call, which cProfile does not see, and its overhead"


def _matters(part_s: float, wall_s: float) -> bool:
    return part_s > max(_WORTH_A_NOTE * wall_s, _WORTH_A_NOTE_S)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
