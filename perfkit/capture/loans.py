"""Connections lent by pools, while they are out."""

import weakref
from time import perf_counter
from typing import Any

from perfkit.capture.loops import LoopFinder
from perfkit.capture.places import Places
from perfkit.capture.positions import Position
from perfkit.model.connection import ConnectionUse, PoolActivity, PoolSize

# Loans that are kept one by one; a program that borrows more often repeats itself.
_KEPT = 20_000


class Loan:
    """One request to a pool. Times are those of `time.perf_counter`, `None` until they come."""

    __slots__ = (
        "acquired", "connect_ms", "connect_start", "connection_id", "error_type", "is_background",
        "is_lent_again", "pool_id", "position", "refused", "released", "requested", "serial", "thread_id",
    )  # fmt: skip

    def __init__(self, pool_id: int, serial: int, thread_id: int, position: Position) -> None:
        self.pool_id = pool_id
        self.serial = serial
        self.thread_id = thread_id
        self.position = position
        self.connection_id = 0
        self.is_lent_again = False
        self.connect_start: float | None = None
        self.connect_ms: float | None = None
        self.error_type: str | None = None
        self.is_background = False
        self.acquired: float | None = None
        self.refused: float | None = None
        self.released: float | None = None
        self.requested = perf_counter()


class Loans:
    """All loans of a block, and the pools they came from."""

    def __init__(self) -> None:
        self._loans: list[Loan] = []
        self.dropped = 0
        self._pools: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._sizes: list[PoolSize] = []

    def add(self, loan: Loan) -> None:
        """Remember a request, up to a bound."""
        if len(self._loans) < _KEPT:
            self._loans.append(loan)
        else:
            self.dropped += 1

    def pool_number(self, pool: Any) -> int:
        """A number for a pool; its limits are noted when it is first seen."""
        known = self._pools.get(pool)
        if known is None:
            known = self._pools[pool] = len(self._sizes) + 1
            self._sizes.append(_size(pool, known))
        return known

    def activity(self, block_start: float, loops: LoopFinder, places: Places) -> PoolActivity:
        """The loans as part of a trace; one that only repeats a loan of the same thread is left out."""
        uses = tuple(
            _use(loan, block_start, loops, places) for loan in list(self._loans) if not loan.is_lent_again
        )
        return PoolActivity(uses, tuple(self._sizes))


def _use(loan: Loan, block_start: float, loops: LoopFinder, places: Places) -> ConnectionUse:
    loop_id = loops.loop_of(loan.serial, loan.position.loop_id)

    def since_start(time: float | None) -> float | None:
        return None if time is None else (time - block_start) * 1000

    return ConnectionUse(
        connection_id=loan.connection_id,
        pool_id=loan.pool_id,
        requested_ms=(loan.requested - block_start) * 1000,
        acquired_ms=since_start(loan.acquired),
        released_ms=since_start(loan.released),
        connect_ms=loan.connect_ms,
        error_type=loan.error_type,
        call_site=places.line(loan.position.call),
        loop_site=places.loop(loops.instruction(loop_id)),
        loop_id=loop_id,
        thread_id=loan.thread_id,
        refused_ms=since_start(loan.refused),
        is_background=loan.is_background,
    )


def _size(pool: Any, number: int) -> PoolSize:
    size = getattr(pool, "size", None)
    overflow = getattr(pool, "_max_overflow", None)  # SQLAlchemy tells it nowhere else
    limit = size() if callable(size) else getattr(pool, "size", None)
    return PoolSize(
        number,
        type(pool).__name__,
        limit if isinstance(limit, int) and limit > 0 else None,
        overflow if isinstance(overflow, int) and overflow >= 0 else None,
    )
