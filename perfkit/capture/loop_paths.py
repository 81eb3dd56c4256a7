"""Statements of one loop take one path through the code: a few frames tell whether it is taken again.

Walking over all frames costs more than all the rest that is done for a statement, most of it for making
Python's frame objects. Where a loop is proved, the next statement mostly comes by the same path. It does if
the frames that were looked at the last time are at the same depth and instruction: the loop's own is the
very same, and all others, the user's and the outermost of each library between them, are new ones. A loop
further in would have marked one of those; another way through the code changes a depth or an instruction.
"""

import itertools
from sys import _getframe
from types import CodeType, FrameType
from typing import NamedTuple

from perfkit.capture.frame_marks import FirstMark, Marks
from perfkit.capture.positions import Position

# So many shapes and paths of each are remembered, with so many frames to look at.
_MOST_SHAPES, _PATHS_OF_A_SHAPE, _MOST_NEW_FRAMES = 1_000, 2, 4
_Place = tuple[int, object]


class _Path(NamedTuple):
    """Depths are counted from the frame that asks."""

    depth: int
    marks: Marks
    offset: int
    new: tuple[tuple[int, CodeType, int], ...]
    position: Position


class LoopPaths:
    """The paths of a block's statements. Both methods must be called by one and the same function."""

    def __init__(self) -> None:
        self._paths: dict[_Place, tuple[_Path, ...]] = {}

    def taken_again(self, place: _Place, serial: int) -> Position | None:
        """Where the statement that is being sent comes from; its new frames are marked then.

        Args:
            place: the finder and the statement's shape.
            serial: number of the statement within the block.

        Returns:
            `None` where it comes by no path that is remembered.
        """
        for path in self._paths.get(place, ()):
            try:
                own = _getframe(path.depth)
            except ValueError:  # the stack is not so deep
                continue
            if own.f_trace is not path.marks or own.f_lasti != path.offset:
                continue
            frames = []
            for depth, code, offset in path.new:
                frame = _getframe(depth)
                if frame.f_trace is not None or frame.f_code is not code or frame.f_lasti != offset:
                    break
                frames.append(frame)
            else:
                for frame in frames:
                    frame.f_trace = FirstMark((place, frame.f_lasti, serial))
                return path.position
        return None

    def remember(self, place: _Place, own: FrameType, new: list[FrameType], position: Position) -> None:
        """Keep the path of a statement from a proved loop, for the next one.

        Args:
            place: the finder and the statement's shape.
            own: the loop's frame.
            new: the frames that were marked for this statement, from the inside outwards.
            position: the statement's.
        """
        if type(own.f_trace) is not Marks or len(new) > _MOST_NEW_FRAMES:
            return
        depths = _depths([*new, own])
        if len(depths) <= len(new):
            return
        seen = tuple((depth, frame.f_code, frame.f_lasti) for depth, frame in zip(depths, new, strict=False))
        path = _Path(depths[-1], own.f_trace, own.f_lasti, seen, position)
        if len(self._paths) > _MOST_SHAPES:
            self._paths.clear()
        self._paths[place] = (path, *self._paths.get(place, ())[: _PATHS_OF_A_SHAPE - 1])


def _depths(frames: list[FrameType]) -> list[int]:
    """Depths of frames, given from the inside outwards, as the caller's `_getframe` counts them.

    Only these frames may be held meanwhile: the caller's own, if it held that, would keep itself alive.

    Returns:
        Fewer where a frame is not below this one: a coroutine's that waits for this greenlet or thread.
    """
    depths: list[int] = []
    frame: FrameType | None = _getframe(1)
    for depth in itertools.count():
        if frame is None or len(depths) == len(frames):
            break
        if frame is frames[len(depths)]:
            depths.append(depth)
        frame = frame.f_back
    return depths
