"""Marks on frames: what was sent from them, so that a frame is recognised when it sends again.

To recognise a frame we must not keep it: a kept frame keeps its local variables alive, and with them ORM
objects that SQLAlchemy's identity map would otherwise forget, so that the program would send fewer statements
than without us. Instead, a frame is marked through its `f_trace` attribute, which Python leaves alone as long
as no debugger traces the frame, and which dies with the frame.
"""

from types import FrameType
from typing import Any


class Visit:
    """The first statement of one shape that one instruction of one frame sent, and the loop it began."""

    __slots__ = ("first_serial", "loop_id")

    def __init__(self, first_serial: int) -> None:
        self.first_serial = first_serial
        self.loop_id: int | None = None


class Mark:
    """What a frame's `f_trace` holds."""

    __slots__ = ()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Do nothing: a debugger that starts inside the block calls this in place of a trace function."""


class FirstMark(Mark, tuple[Any, ...]):
    """What was seen at a frame that sent one statement: its place, instruction and number.

    Most frames are gone after that, and a tuple is made in a fifth of the time of an object.
    """

    __slots__ = ()


class Marks(Mark):
    """What was seen at a frame that sent more: by finder and shape, by instruction."""

    __slots__ = ("seen",)

    def __init__(self, first: tuple[Any, ...]) -> None:
        place, offset, serial = first
        self.seen: dict[tuple[int, object], dict[int, Visit]] = {place: {offset: Visit(serial)}}
