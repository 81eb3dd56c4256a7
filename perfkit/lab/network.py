"""A loopback proxy that adds the round-trip time a real network has between program and database.

A local socket answers in 0.05 ms, so a hundred statements look harmless; at 1 ms a round trip they are not.
Every part that arrives, from either side, is passed on half a round-trip time later: a statement and its
answer pay the whole of it once, however many packets the answer has, exactly as on a wire.
"""

import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from types import TracebackType

from perfkit.lab.errors import LabError

_READ_BYTES = 65_536
_IN_FLIGHT_BYTES = 4_000_000  # beyond this a sender has to wait, as it would for a full TCP window
MAX_ROUND_TRIP_MS = 1_000.0
_BATCH_S = 0.00005


class _Side:
    """One end of a connection: what is on the way to it."""

    def __init__(self, endpoint: socket.socket, *, is_client: bool) -> None:
        self.endpoint = endpoint
        self.is_client = is_client
        self.peer: _Side = self
        self.outgoing: deque[memoryview] = deque()
        self.in_flight_bytes = 0
        self.ends = False  # the peer has sent its last byte
        self.closed = False


class NetworkProxy:
    """A proxy in a thread of its own; use it as a context manager or call `start` and `close`.

    Args:
        target: the server: a socket's path, or (host, port).
        round_trip_ms: time added to each round trip, in milliseconds, 0 to 1000.

    Raises:
        LabError: a round-trip time that is no such number.
    """

    def __init__(self, target: str | tuple[str, int], round_trip_ms: float) -> None:
        if not 0 <= round_trip_ms <= MAX_ROUND_TRIP_MS:
            raise LabError(
                f"round_trip_ms is {round_trip_ms!r}; give milliseconds from 0 to {MAX_ROUND_TRIP_MS:g}."
            )
        self.round_trip_ms = round_trip_ms
        self.round_trips = 0  # how often a client sent something after it had been answered
        self.connections = 0  # how many clients have connected
        self._one_way_s = round_trip_ms / 2_000.0
        self._target = target
        self._selector = selectors.SelectSelector()  # alone waits to the microsecond; epoll rounds up to 1 ms
        self._due: list[tuple[float, int, _Side, bytes]] = []
        self._order = itertools.count()
        self._turn: dict[_Side, bool] = {}
        self._sides: set[_Side] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="perfkit-network", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients to connect to."""
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to pass data on."""
        self._listener.setblocking(False)
        self._wake.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Close every connection and end the thread; may be called twice."""
        self._waker.close()
        if self._thread.ident is not None:
            self._thread.join()
        else:
            self._release()

    def __enter__(self) -> "NetworkProxy":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while True:
                timeout = max(0.0, self._due[0][0] - time.perf_counter()) if self._due else None
                for key, events in self._selector.select(timeout):
                    if key.fileobj is self._wake:
                        return
                    self._handle(key, events)
                self._deliver()
        finally:
            self._release()

    def _handle(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
            return
        side: _Side = key.data
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(side)
            if events & selectors.EVENT_READ and not side.closed:
                self._read(side)
        except (OSError, ValueError):
            self._close_pair(side)

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        try:
            server = self._connect()
        except OSError:
            accepted.close()  # the client sees what it would see without a proxy: no connection
            return
        self.connections += 1
        client, peer = _Side(accepted, is_client=True), _Side(server, is_client=False)
        client.peer, peer.peer = peer, client
        for side in (client, peer):
            side.endpoint.setblocking(False)
            if side.endpoint.family != getattr(socket, "AF_UNIX", None):
                side.endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sides.add(side)
            self._watch(side)
        self._turn[client] = True

    def _connect(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target, timeout=10)
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            endpoint.connect(self._target)
        except OSError:
            endpoint.close()
            raise
        return endpoint

    def _watch(self, side: _Side) -> None:
        """Tell the selector what this end waits for now."""
        if side.closed:
            return
        events = selectors.EVENT_WRITE if side.outgoing else 0
        if not side.peer.ends and side.peer.in_flight_bytes < _IN_FLIGHT_BYTES:
            events |= selectors.EVENT_READ
        registered = side.endpoint in self._selector.get_map()
        if events and registered:
            self._selector.modify(side.endpoint, events, side)
        elif events:
            self._selector.register(side.endpoint, events, side)
        elif registered:
            self._selector.unregister(side.endpoint)

    def _read(self, side: _Side) -> None:
        try:
            data = side.endpoint.recv(_READ_BYTES)
        except BlockingIOError:
            return
        if side.is_client and data:
            self.round_trips += self._turn[side]
            self._turn[side] = False
        elif data:
            self._turn[side.peer] = True
        target = side.peer
        target.in_flight_bytes += len(data)
        target.ends = not data
        # An empty part travels like the others: the end of the stream arrives after all that was sent.
        heapq.heappush(self._due, (time.perf_counter() + self._one_way_s, next(self._order), target, data))
        self._watch(side)

    def _deliver(self) -> None:
        now = time.perf_counter() + _BATCH_S
        while self._due and self._due[0][0] <= now:
            _, _, side, data = heapq.heappop(self._due)
            if side.closed:
                continue
            if not data:
                self._close_pair(side)
                continue
            side.outgoing.append(memoryview(data))
            try:
                self._flush(side)
            except OSError:
                self._close_pair(side)

    def _flush(self, side: _Side) -> None:
        while side.outgoing:
            part = side.outgoing[0]
            try:
                sent = side.endpoint.send(part)
            except BlockingIOError:
                break
            side.in_flight_bytes -= sent
            if sent < len(part):
                side.outgoing[0] = part[sent:]
            else:
                side.outgoing.popleft()
        self._watch(side)
        self._watch(side.peer)

    def _close_pair(self, side: _Side) -> None:
        for end in (side, side.peer):
            if not end.closed:
                end.closed = True
                if end.endpoint in self._selector.get_map():
                    self._selector.unregister(end.endpoint)
                end.endpoint.close()
            self._sides.discard(end)
            self._turn.pop(end, None)

    def _release(self) -> None:
        for side in list(self._sides):
            self._close_pair(side)
        self._selector.close()
        self._listener.close()
        self._wake.close()
