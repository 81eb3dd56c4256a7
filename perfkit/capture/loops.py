"""Proof that statements come from one loop: the same call of the same function, at the same instruction.

A statement sent twice from one line is not yet a loop: the line may stand in a helper that two other lines
call. The loop is where the two call chains meet: the deepest frame that was on the stack both times. If
that frame stood at the same instruction both times, the instruction runs again and again: a loop, or `map`.
If it stood at another instruction, two lines sent a statement each; or the function calls itself, and a
deeper call of it has now sent what this one sent before, from the same instruction: a recursion.

To recognise a frame again we must not keep it: a kept frame keeps its local variables alive, and with them
ORM objects that SQLAlchemy's identity map would otherwise forget, so that the program would send fewer
statements than without us. Instead, a frame is marked through its `f_trace` attribute, which Python leaves
alone as long as no debugger traces the frame, and which dies with the frame.
"""

import itertools
import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple

from perfkit.capture.user_frames import stack, user_frames

# Blocks may be nested, and one block has more than one finder: they share the marks.
_tokens = itertools.count(1)
_finders: set[int] = set()


class Instruction(NamedTuple):
    """A place in the code, resolved to a line only when somebody wants to read it."""

    code: CodeType
    offset: int


class Position(NamedTuple):
    """Where a statement was sent from; `None` where no line of the user's is on the stack."""

    call: Instruction | None
    loop_id: int | None


NOWHERE = Position(None, None)
_NEW: "tuple[_Visit | None, bool]" = (None, True)


class _Visit:
    """The first statement of one shape that one instruction of one frame sent, and the loop it began."""

    __slots__ = ("first_serial", "loop_id")

    def __init__(self, first_serial: int) -> None:
        self.first_serial = first_serial
        self.loop_id: int | None = None


class _Mark:
    """What a frame's `f_trace` holds."""

    __slots__ = ()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Do nothing: a debugger that starts inside the block calls this in place of a trace function."""


class _FirstMark(_Mark, tuple[Any, ...]):
    """What was seen at a frame that sent one statement: its place, instruction and number.

    Most frames are gone after that, and a tuple is made in a fifth of the time of an object.
    """

    __slots__ = ()


class _Marks(_Mark):
    """What was seen at a frame that sent more: by finder and shape, by instruction."""

    __slots__ = ("seen",)

    def __init__(self, first: tuple[Any, ...]) -> None:
        place, offset, serial = first
        self.seen: dict[tuple[int, object], dict[int, _Visit]] = {place: {offset: _Visit(serial)}}


class LoopFinder:
    """Finds, for each statement of a block, the user's line and the loop around it."""

    def __init__(self) -> None:
        self._token = next(_tokens)
        _finders.add(self._token)
        self._loops: dict[int, Instruction] = {}
        self._first_of_loop: dict[int, int] = {}
        self._ids = itertools.count(1)
        self._positions: dict[tuple[int, int, int | None], Position] = {}

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
        call: FrameType | None = None
        place = (self._token, key)
        for own, entered, innermost in user_frames(frame):
            if entered is not None:
                sender = innermost if is_access and call is None and innermost else entered
                if sender is not entered and not self._visit(sender, place, serial)[1]:
                    return self._position(own, None)  # eager loading, called by another library
                visit, is_new = self._visit(entered, place, serial)
                if not is_new:
                    # A library that loops over the user's callback, as pandas' apply does, is called from
                    # the line we want. One that loops for itself, as eager loading in chunks, is no loop.
                    # A template or a serialiser that walks over objects is called from it as well.
                    is_loop = call is not None or sender is not entered
                    loop_id = self._prove(visit, own) if visit and is_loop else None
                    return self._position(call or own, loop_id)
            call = call or own
            visit, is_new = self._visit(own, place, serial)
            if not is_new:
                loop_id = self._prove(visit, own) if visit else self._recursion(call, own, place)
                return self._position(call, loop_id)
        return self._position(call, None) if call else NOWHERE

    def _position(self, call: FrameType, loop_id: int | None) -> Position:
        """Shared by all statements of one line and loop. It keeps the code object, so `id` stays unique."""
        code, offset = call.f_code, call.f_lasti
        key = (id(code), offset, loop_id)
        known = self._positions.get(key)
        if known is None:
            known = self._positions[key] = Position(Instruction(code, offset), loop_id)
        return known

    def loop_of(self, serial: int, loop_id: int | None) -> int | None:
        """The loop of a statement, now that the block is over: its first statement learns of it last."""
        return self._first_of_loop.get(serial, loop_id)

    def instruction(self, loop_id: int | None) -> Instruction | None:
        """The loop's place in the code; `None` for no loop."""
        return None if loop_id is None else self._loops[loop_id]

    def forget(self) -> None:
        """Take the marks off every frame that is still running, unless another block is being measured."""
        _finders.discard(self._token)
        if _finders:
            return
        for top in sys._current_frames().values():
            for frame in stack(top):
                if isinstance(frame.f_trace, _Mark):
                    frame.f_trace = None

    def _visit(self, frame: FrameType, place: tuple[int, object], serial: int) -> tuple[_Visit | None, bool]:
        """What is known of this frame and shape.

        Returns:
            `(None, True)` where nothing is, `(None, False)` where another line of it sent the shape.
        """
        mark: Any = frame.f_trace
        if mark is None:
            frame.f_trace = _FirstMark((place, frame.f_lasti, serial))
            return _NEW
        if type(mark) is _FirstMark:
            mark = frame.f_trace = _Marks(mark)
        elif type(mark) is not _Marks:
            return _NEW  # a debugger traces this frame: its mark is not ours to change
        offset, visits = frame.f_lasti, mark.seen.get(place)
        if visits is None:
            mark.seen[place] = {offset: _Visit(serial)}
            return _NEW
        known = visits.get(offset)
        if known is None:
            visits[offset] = _Visit(serial)
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
        if inner is None or type(own.f_trace) is not _Marks:
            return None
        visit: _Visit | None = own.f_trace.seen[place].get(inner.f_lasti)
        mark: Any = inner.f_trace
        if type(mark) is _FirstMark:
            mark = inner.f_trace = _Marks(mark)
        if visit is None or type(mark) is not _Marks or inner.f_lasti not in mark.seen.get(place, ()):
            return None
        loop_id = self._prove(visit, own)
        mark.seen[place][inner.f_lasti].loop_id = loop_id  # for the level below it
        return loop_id

    def _prove(self, visit: _Visit, frame: FrameType) -> int:
        if visit.loop_id is None:
            visit.loop_id = next(self._ids)
            self._loops[visit.loop_id] = _at(frame)
            # The deepest loop is proved first, so a later one never takes a statement away from it.
            self._first_of_loop.setdefault(visit.first_serial, visit.loop_id)
        return visit.loop_id


def _at(frame: FrameType) -> Instruction:
    return Instruction(frame.f_code, frame.f_lasti)


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
