"""What a block did with connections and transactions, beside the statements themselves."""

from dataclasses import dataclass
from typing import Literal

from perfkit.model.location import CodeLocation


@dataclass(frozen=True, slots=True)
class TransactionEvent:
    """A message that frames statements; it is a round trip of its own, though no cursor sees it.

    `time_ms` counts from the start of the block. `connection_id` numbers the block's connections; a
    statement with the same number ran on the same connection. `loop_id` and `loop_site` are those of
    `QuerySpan`. `duration_ms` is the time until the database had answered; `None` where that was not seen,
    as for a BEGIN that a driver sends together with a statement.
    """

    kind: Literal["begin", "commit", "rollback"]
    time_ms: float
    connection_id: int = 0
    call_site: CodeLocation | None = None
    loop_site: CodeLocation | None = None
    loop_id: int | None = None
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TransactionCounts:
    """How often each kind of message was sent, and the time of those whose end was seen."""

    begins: int = 0
    commits: int = 0
    rollbacks: int = 0
    total_ms: float = 0.0

    @property
    def total(self) -> int:
        """All of them."""
        return self.begins + self.commits + self.rollbacks


@dataclass(frozen=True, slots=True)
class ConnectionUse:
    """One loan of a connection from a pool; times in milliseconds from the start of the block.

    `acquired_ms` is `None` where the pool gave none, `released_ms` where it was still out at the end.
    `refused_ms` is when a request ended with an error. `connect_ms` is the time of opening a new connection,
    `None` where an open one was reused. `pool_id` numbers the block's pools. A loan to a task or thread that
    was at work before the block began is `is_background`.
    """

    connection_id: int
    pool_id: int
    requested_ms: float
    acquired_ms: float | None
    released_ms: float | None
    connect_ms: float | None = None
    error_type: str | None = None
    call_site: CodeLocation | None = None
    loop_site: CodeLocation | None = None
    loop_id: int | None = None
    thread_id: int = 0
    refused_ms: float | None = None
    is_background: bool = False

    @property
    def wait_ms(self) -> float | None:
        """Time until the pool gave a connection, opening one included; `None` where it gave none."""
        return None if self.acquired_ms is None else self.acquired_ms - self.requested_ms

    @property
    def held_ms(self) -> float | None:
        """How long the connection was out; `None` where it never came or never went back."""
        if self.acquired_ms is None or self.released_ms is None:
            return None
        return self.released_ms - self.acquired_ms


@dataclass(frozen=True, slots=True)
class PoolSize:
    """The limits of one pool; `None` where the kind of pool has none."""

    pool_id: int
    kind: str
    size: int | None
    max_overflow: int | None


@dataclass(frozen=True, slots=True)
class PoolActivity:
    """All loans of a block, in the order in which they were asked for, and the pools they came from."""

    uses: tuple[ConnectionUse, ...]
    pools: tuple[PoolSize, ...] = ()
