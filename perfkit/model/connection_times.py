"""The statements, commits and rollbacks of each connection of a block, in the order of time."""

import bisect

from perfkit.model.connection import TransactionEvent
from perfkit.model.query import Member
from perfkit.model.trace import Trace


class ConnectionTimes:
    """The statements of each connection, in the order of time."""

    def __init__(self, trace: Trace) -> None:
        self._members: dict[int, list[Member]] = {}
        for index, span in enumerate(trace.queries or ()):
            self._members.setdefault(span.connection_id, []).append((index, span))
        for members in self._members.values():
            members.sort(key=_start)
        self._frames: dict[int, list[TransactionEvent]] = {}
        for event in sorted(trace.transactions or (), key=_time):
            if event.duration_ms is not None:
                self._frames.setdefault(event.connection_id, []).append(event)

    def between(self, connection_id: int, start_ms: float, end_ms: float) -> list[Member]:
        """The statements that began on a connection in this time."""
        members = self._members.get(connection_id, [])
        first = bisect.bisect_left(members, start_ms, key=_start)
        return members[first : bisect.bisect_left(members, end_ms, key=_start)]

    def framing_ms(self, connection_id: int, start_ms: float, end_ms: float) -> float:
        """Time that commits and rollbacks took on a connection in this time, as far as it was measured."""
        events = self._frames.get(connection_id, [])
        first = bisect.bisect_left(events, start_ms, key=_time)
        last = bisect.bisect_left(events, end_ms, key=_time)
        return sum(event.duration_ms or 0.0 for event in events[first:last])


def _start(member: Member) -> float:
    return member[1].start_ms


def _time(event: TransactionEvent) -> float:
    return event.time_ms
