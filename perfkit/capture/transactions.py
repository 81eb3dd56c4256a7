"""Begins, commits and rollbacks: a round trip each, though no cursor sees them."""

import threading
from time import perf_counter
from typing import Literal

from perfkit.capture.loops import LoopFinder
from perfkit.capture.places import Places
from perfkit.capture.positions import Position
from perfkit.model.connection import TransactionCounts, TransactionEvent

TransactionKind = Literal["begin", "commit", "rollback"]
_KINDS: dict[str, TransactionKind] = {
    "BEGIN": "begin", "COMMIT": "commit", "END": "commit", "ROLLBACK": "rollback",
}  # fmt: skip


def kind_of(statement: str) -> TransactionKind | None:
    """What a statement begins or ends; `None` for others, those about savepoints included."""
    words = statement[:40].upper().replace(";", " ").split()
    return _KINDS.get(words[0]) if words and "TO" not in words else None


class Frame:
    """A begin, commit or rollback; `end` stays `None` where its driver does not tell when it is over."""

    __slots__ = ("connection_id", "end", "is_kept", "kind", "position", "serial", "start")

    def __init__(self, kind: TransactionKind, connection_id: int, serial: int, position: Position) -> None:
        self.kind = kind
        self.connection_id = connection_id
        self.serial = serial
        self.position = position
        self.is_kept = True
        self.end: float | None = None
        self.start = perf_counter()


class Transactions:
    """All frames of a block: so many one by one, the rest as totals.

    Args:
        kept: how many are kept one by one.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._frames: list[Frame] = []
        self._more: dict[TransactionKind, int] = {"begin": 0, "commit": 0, "rollback": 0}
        self._more_s = 0.0
        self._adding = threading.Lock()

    def add(self, frame: Frame) -> None:
        """Remember a message that is about to be sent."""
        if len(self._frames) < self._kept:
            self._frames.append(frame)
            return
        frame.is_kept = False
        with self._adding:
            self._more[frame.kind] += 1

    def ended(self, frame: Frame, start: float | None = None) -> None:
        """The database has answered.

        Args:
            frame: the message.
            start: when it was sent, where that was before it was counted (`time.perf_counter`).
        """
        frame.start = frame.start if start is None else start
        frame.end = perf_counter()
        if not frame.is_kept:
            with self._adding:
                self._more_s += frame.end - frame.start

    def events(self, block_start: float, loops: LoopFinder, places: Places) -> tuple[TransactionEvent, ...]:
        """Those that are kept one by one, for the trace."""
        return tuple(_event(frame, block_start, loops, places) for frame in list(self._frames))

    def more(self) -> TransactionCounts:
        """The others together."""
        more = self._more
        return TransactionCounts(more["begin"], more["commit"], more["rollback"], self._more_s * 1000)


def _event(frame: Frame, block_start: float, loops: LoopFinder, places: Places) -> TransactionEvent:
    loop_id = loops.loop_of(frame.serial, frame.position.loop_id)
    return TransactionEvent(
        frame.kind,
        (frame.start - block_start) * 1000,
        frame.connection_id,
        places.line(frame.position.call),
        places.loop(loops.instruction(loop_id)),
        loop_id,
        None if frame.end is None else (frame.end - frame.start) * 1000,
    )
