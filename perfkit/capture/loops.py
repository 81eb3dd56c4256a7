"""Proof that statements come from one loop: the same call of the same function, at the same instruction.

A statement sent twice from one line is not yet a loop: the line may stand in a helper that two other lines
call. The loop is where the two call chains meet: the deepest frame that was on the stack both times. If
that frame stood at the same instruction both times, the instruction runs again and again: a loop, or `map`.
If it stood at another instruction, two lines sent a statement each; or the function calls itself, and a
deeper call of it has now sent what this one sent before, from the same instruction: a recursion.

How a frame is recognised again: `perfkit.capture.frame_marks`.
"""

import itertools
from types import FrameType
from typing import Any

from perfkit.capture._running_frames import running_frames
from perfkit.capture.frame_marks import FirstMark, Mark, Marks, Visit
from perfkit.capture.loop_paths import LoopPaths
from perfkit.capture.positions import NOWHERE, Instruction, Position, instruction_of, twin_of
from perfkit.capture.user_frames import stack, user_frames

# Blocks may be nested, and one block has more than one finder: they share the marks.
_tokens = itertools.count(1)
_finders: set[int] = set()


# Statements that one call of a library sent are remembered up to this many: no more are kept one by one.
_MOST_CALLS = 20_000
_NEW: "tuple[Visit | None, bool]" = (None, True)


class LoopFinder:
    """Finds, for each statement of a block, the user's line and the loop around it."""

    def __init__(self) -> None:
        self._token = next(_tokens)
        _finders.add(self._token)
        self._loops: dict[int, Instruction] = {}
        self._first_of_loop: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._ids = itertools.count(1)
        self._positions: dict[tuple[int, int, int | None], Position] = {}
        self._paths = LoopPaths()

    def locate(
        self, frame: FrameType | None, key: object, serial: int, *, is_access: bool = False
    ) -> Position:
        """Place one statement.

        Args:
            frame: the innermost frame to look at.
            key: the statement's shape; only statements of one shape form a loop.
            serial: number of the statement within the block.
            is_access: whether reading an attribute sent it, which any library may do that walks over objects.

        Returns:
            The innermost line of the user's and the loop that is proved so far.
        """
        place = (self._token, key)
        position = self._paths.taken_again(place, serial)
        if position is not None:
            return position
        call: FrameType | None = None
        new: list[FrameType] = []
        for own, entered, innermost in user_frames(frame):
            if entered is not None:
                sender = innermost if is_access and call is None and innermost else entered
                if sender is not entered:
                    visit, is_new = self._visit(sender, place, serial)
                    if not is_new:
                        self._within_one_call(visit, serial)
                        return self._position(own, None)  # eager loading, called by another library
                    new.append(sender)
                visit, is_new = self._visit(entered, place, serial)
                if not is_new:
                    # A library that loops over the user's callback, as pandas' apply does, is called from
                    # the line we want. One that loops for itself, as eager loading in chunks, is no loop.
                    # A template or a serialiser that walks over objects is called from it as well.
                    is_loop = call is not None or sender is not entered
                    if is_access and not is_loop:
                        self._within_one_call(visit, serial)
                    loop_id = self._prove(visit, own) if visit and is_loop else None
                    return self._position(call or own, loop_id)
                new.append(entered)
            call = call or own
            visit, is_new = self._visit(own, place, serial)
            if not is_new:
                loop_id = self._prove(visit, own) if visit else self._recursion(call, own, place)
                position = self._position(call, loop_id)
                if visit:
                    self._paths.remember(place, own, new, position)
                return position
            new.append(own)
        return self._position(call, None) if call else NOWHERE

    def _position(self, call: FrameType, loop_id: int | None) -> Position:
        """Shared by all statements of one line and loop. It keeps the code object, so `id` stays unique."""
        code, offset = call.f_code, call.f_lasti
        key = (id(code), offset, loop_id)
        known = self._positions.get(key)
        if known is None:
            known = self._positions[key] = Position(instruction_of(call), loop_id)
        return known

    def loop_of(self, serial: int, loop_id: int | None) -> int | None:
        """The loop of a statement, now that the block is over: its first statement learns of it last."""
        return self._first_of_loop.get(serial, loop_id)

    def call_of(self, serial: int) -> int:
        """A number for the call of a library that read this and other attributes one by one; 0 for none."""
        return self._calls.get(serial, 0)

    def instruction(self, loop_id: int | None) -> Instruction | None:
        """The loop's place in the code; `None` for no loop."""
        return None if loop_id is None else self._loops[loop_id]

    def forget(self) -> None:
        """Take the marks off every frame that is still running, unless another block is being measured."""
        _finders.discard(self._token)
        if _finders:
            return
        for top in running_frames().values():
            for frame in stack(top):
                if isinstance(frame.f_trace, Mark):
                    frame.f_trace = None

    def _visit(self, frame: FrameType, place: tuple[int, object], serial: int) -> tuple[Visit | None, bool]:
        """What is known of this frame and shape.

        Returns:
            `(None, True)` where nothing is, `(None, False)` where another line of it sent the shape.
        """
        mark: Any = frame.f_trace
        if mark is None:
            frame.f_trace = FirstMark((place, frame.f_lasti, serial))
            return _NEW
        if type(mark) is FirstMark:
            mark = frame.f_trace = Marks(mark)
        elif type(mark) is not Marks:
            return _NEW  # a debugger traces this frame: its mark is not ours to change
        offset, visits = frame.f_lasti, mark.seen.get(place)
        if visits is None:
            mark.seen[place] = {offset: Visit(serial)}
            return _NEW
        known = visits.get(offset)
        if known is None:
            twin = twin_of(frame.f_code, offset, visits)
            known = None if twin is None else visits[twin]
            visits[offset] = known or Visit(serial)
        return known, False

    def _recursion(self, call: FrameType, own: FrameType, place: tuple[int, object]) -> int | None:
        """The loop of a function that calls itself and sends one statement of this shape at each level.

        No frame is then at one instruction twice. But the frame where the two call chains meet sent the
        statement before at the very instruction at which a deeper call of the same function sends this one.

        Args:
            call: the innermost frame of the user's.
            own: the frame where the call chains meet, at another instruction than the time before.
            place: the finder and the shape.

        Returns:
            `None` where it is no recursion: two lines of one call sent a statement each.
        """
        inner = _deeper_call(call, own)
        if inner is None or type(own.f_trace) is not Marks:
            return None
        visit: Visit | None = own.f_trace.seen[place].get(inner.f_lasti)
        mark: Any = inner.f_trace
        if type(mark) is FirstMark:
            mark = inner.f_trace = Marks(mark)
        if visit is None or type(mark) is not Marks or inner.f_lasti not in mark.seen.get(place, ()):
            return None
        loop_id = self._prove(visit, own)
        mark.seen[place][inner.f_lasti].loop_id = loop_id  # for the level below it
        return loop_id

    def _within_one_call(self, visit: Visit | None, serial: int) -> None:
        """The library's frame that was entered sent this shape before, and did not return in between."""
        if visit is not None and len(self._calls) < _MOST_CALLS:
            self._calls[visit.first_serial] = self._calls[serial] = visit.first_serial + 1

    def _prove(self, visit: Visit, frame: FrameType) -> int:
        if visit.loop_id is None:
            visit.loop_id = next(self._ids)
            self._loops[visit.loop_id] = instruction_of(frame)
            # The deepest loop is proved first, so a later one never takes a statement away from it.
            self._first_of_loop.setdefault(visit.first_serial, visit.loop_id)
        return visit.loop_id


def _deeper_call(call: FrameType, outer: FrameType) -> FrameType | None:
    """The outermost call of a frame's function from within that frame; `None` where it does not call itself.

    Two functions behind one decorator run the same code in its wrapper, and neither calls itself: what is
    made within another function counts only where it refers to itself.
    """
    names = outer.f_code.co_freevars
    if names and outer.f_code.co_name not in names:
        return None
    found, frame = None, call
    while frame is not outer:
        if frame.f_code is outer.f_code:
            found = frame
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return found
