"""Looks at one thread's stack again and again, from a thread of its own.

Where the kernel tells of processor time (`perfkit.capture._cpu_ticks`), these looks account for the time in
which the thread waits, and the kernel's ticks for the time in which it runs. Elsewhere, for both.

On a busy machine a thread whose wait is over waits on, for a processor. The looks give that time to where it
stands, but the kernel tells of it only once the thread runs again, as time in which it was ready to run. So
it is left out of the time that the ticks account for: else it would count twice.

While Python code runs, a look comes some 6 ms after the one before: the sampler asks for the interpreter and
gets it after the switch interval of 5 ms, which is the user's to change. C code that holds the interpreter
delays it further. So each look stands for the time since the one before, not for a fixed interval. The look
after such C code comes when its call ends, unless a third thread was waiting for the interpreter too: then
the thread may have gone on, and the time is given to what it does next.
"""

import threading
import time
from dataclasses import dataclass
from types import CodeType, FrameType

from perfkit.capture._awaiting import AwaitingTasks, CodePath, waiting_loop
from perfkit.capture._cpu_ticks import RunClock, cpu_ticks
from perfkit.capture._running_frames import running_frames

# Between two looks at a thread that waits. 1 ms tells calls of 10 ms apart at about 1 % of the time.
INTERVAL_S = 0.001
# A look takes some 50 µs; one that took this long was interrupted.
_INTERRUPTED_S = 0.002
# A walk takes 0.1 µs a frame and holds the interpreter.
_MOST_DEPTH = 2000
Ids = tuple[int, ...]
_Key = tuple[Ids, tuple[Ids, ...], bool]
# Seconds, and how many looks.
_Tallies = dict[_Key, list[float]]


@dataclass(frozen=True, slots=True)
class Seen:
    """Looks that saw the same: the stack outermost first, and below it the coroutines that waited."""

    stack: CodePath
    waiting: tuple[CodePath, ...]
    is_idle: bool
    time_s: float
    samples: int


class ThreadSampler:
    """Samples the thread that makes it.

    Args:
        asking: the innermost frame of the block; its callers are not part of any stack.
    """

    def __init__(self, asking: FrameType) -> None:
        self.longest_gap_s = 0.0
        self._ident = threading.get_ident()
        # The frames themselves: while they are kept, no other frame can have their ids.
        self._below = _callers(asking)
        self._below_ids = {id(frame) for frame in self._below}
        self._tasks = AwaitingTasks()
        self._codes: dict[int, CodeType] = {}
        self._tallies: _Tallies = {}
        self._ticks = cpu_ticks(self._ran)
        self._clock = RunClock() if self._ticks is not None else None
        self._running: _Tallies = {}
        self._waiting: _Tallies = {}
        # Of the run clock; `_ready_s` is what of it the looks have counted already.
        self._ran_s = self._last_tick_s = self._last_run_s = self._ready_s = 0.0
        # Of the clock on the wall, read beside the run clock.
        self._last_wall_s = 0.0
        self._last_s = 0.0
        self._has_begun = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="perfkit sampler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()
        # Not before the thread is there: on a busy machine, starting it takes longer than many a block.
        self._last_s = self._last_wall_s = time.perf_counter()
        if self._ticks is not None and self._clock is not None:
            self._last_run_s = self._last_tick_s = self._clock.now_s()
            self._ran_s = -self._last_run_s
            self._ticks.start()
        self._has_begun.set()

    def stop(self) -> None:
        """End the sampler's thread and let the frames go."""
        self._is_ending = True
        self._has_begun.set()  # the start may have been interrupted
        end_s, end_run_s = time.perf_counter(), 0.0
        if self._ticks is not None and self._clock is not None:
            end_run_s = self._clock.now_s()
            self._ran_s += end_run_s
            self._ticks.stop()
        if self._thread.ident is not None:
            self._thread.join()
        if self._clock is not None:
            self._clock.close()
            if self._last_wall_s < end_s:
                self._waited_s(end_s, end_run_s)
        self._below.clear()
        self._below_ids.clear()

    @property
    def is_biased(self) -> bool:
        """Whether code that lets go of the interpreter is seen more often than it runs."""
        return self._ticks is None

    def seen(self) -> list[Seen]:
        """What was seen, after `stop`."""
        if not self._running:  # no ticks, or a block that is shorter than one
            return self._looks(self._tallies)
        ticks_s = sum(time_s for time_s, _ in self._running.values())
        ran_s = max(0.0, self._ran_s - self._ready_s)
        return [*self._looks(self._running, ran_s / max(ticks_s, 1e-9)), *self._looks(self._waiting)]

    def _looks(self, tallies: _Tallies, factor: float = 1.0) -> list[Seen]:
        return [
            Seen(self._path(stack), tuple(map(self._path, waiting)), is_idle, time_s * factor, int(samples))
            for (stack, waiting, is_idle), (time_s, samples) in tallies.items()
        ]

    def _ran(self, frame: FrameType) -> None:
        """A tick: the thread is running, here."""
        assert self._clock is not None
        now_s = self._clock.now_s() - self._ready_s
        _add(self._running, (self._walked(frame), (), False), max(0.0, now_s - self._last_tick_s))
        self._last_tick_s = max(now_s, self._last_tick_s)

    def _run(self) -> None:
        self._has_begun.wait()
        while not self._is_ending:
            self._look()
            # Who loses the interpreter in the middle of a look has it back when the call that took it ends:
            # that is the moment to look again, while the thread still stands there.
            if time.perf_counter() - self._last_s < _INTERRUPTED_S:
                time.sleep(INTERVAL_S)

    def _look(self) -> None:
        now_s = time.perf_counter()
        frame = running_frames().get(self._ident)
        if frame is None or self._is_ending:
            self._last_s = now_s
            return
        is_idle, loop = waiting_loop(frame)
        waiting = tuple(self._ids(path) for path in self._tasks.paths(loop)) if is_idle else ()
        key = (self._walked(frame), waiting, is_idle)
        del frame
        gap_s = now_s - self._last_s
        self._last_s = now_s
        _add(self._tallies, key, gap_s)
        if self._clock is not None:
            waited_s = self._waited_s(time.perf_counter(), self._clock.now_s())
            if waited_s > 0:
                _add(self._waiting, key, waited_s)
        elif not is_idle:
            self.longest_gap_s = max(self.longest_gap_s, gap_s)

    def _waited_s(self, wall_s: float, run_s: float) -> float:
        """How long the thread has waited since the look before; what was counted too much then is noted."""
        waited_s = (wall_s - self._last_wall_s) - (run_s - self._last_run_s)
        self._last_wall_s, self._last_run_s = wall_s, run_s
        self._ready_s += max(0.0, -waited_s)
        return waited_s

    def _walked(self, innermost: FrameType) -> Ids:
        found: list[int] = []
        codes, below = self._codes, self._below_ids
        frame: FrameType | None = innermost
        while frame is not None and id(frame) not in below and len(found) < _MOST_DEPTH:
            code = frame.f_code
            found.append(id(code))
            codes[id(code)] = code
            frame = frame.f_back
        found.reverse()
        return tuple(found)

    def _ids(self, path: CodePath) -> Ids:
        # By identity: comparing code objects compares all that is in them.
        self._codes.update((id(code), code) for code in path)
        return tuple(id(code) for code in path)

    def _path(self, ids: Ids) -> CodePath:
        return tuple(self._codes[number] for number in ids)


def _callers(frame: FrameType) -> list[FrameType]:
    found = []
    caller = frame.f_back
    while caller is not None:
        found.append(caller)
        caller = caller.f_back
    return found


def _add(tallies: _Tallies, key: _Key, time_s: float) -> None:
    tally = tallies.setdefault(key, [0.0, 0])
    tally[0] += time_s
    tally[1] += 1
