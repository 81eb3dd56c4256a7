"""One thing is tried for real, in a transaction that is rolled back whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.model.plan import Plan
from perfkit.model.what_if import Runs
from perfkit.proof import _what_if_catalog as catalog
from perfkit.proof._what_if_designs import Design, IndexDesign
from perfkit.proof._what_if_times import RUNS

# Waiting for a lock blocks all who come after (reference notes on EXPLAIN, section 7: 1 to 2 s).
LOCK_TIMEOUT_MS = 2_000
# Within it, a million rows are indexed a hundred times over; the writes of others wait as long.
BUILD_TIMEOUT_MS = 60_000
_SAVEPOINT = "perfkit_what_if"
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_IDLE = 0

Explainer = Callable[[], Plan]


class ProofRefusedError(RuntimeError):
    """Nothing was tried; the message says why and what to do."""


class UntriedError(RuntimeError):
    """The attempt came to no end; the message says why."""


class UnsuitableError(RuntimeError):
    """The database cannot do what was tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt measured. `must_wait`: older transactions kept the new index from being used."""

    runs: Runs
    plan: Plan
    build_ms: float | None = None
    size_bytes: int | None = None
    must_wait: bool = False


def execute(connection: Connection, statement: str) -> None:
    """Send a statement that has no placeholders, whatever characters are in it."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def run_base(connection: Connection, explain: Explainer) -> Outcome:
    """Execute the statement as it is, in a transaction of its own that is rolled back.

    Raises:
        ProofRefusedError: if it cannot be measured.
    """
    with rolled_back(connection):
        try:
            return measured(explain)
        except UntriedError as error:
            raise ProofRefusedError(str(error)) from None


def run_trial(connection: Connection, explain: Explainer, design: Design) -> Outcome:
    """Make the change, execute the statement three times, undo the change.

    Args:
        connection: without an open transaction.
        explain: executes the statement on this connection and returns its plan.
        design: what to try.

    Returns:
        Times, the plan, the build time in milliseconds and the size in bytes.

    Raises:
        UntriedError: if a lock, a time limit or an error came between.
        UnsuitableError: if the database cannot do this at all.
    """
    with rolled_back(connection):
        build_ms = _build(connection, design)
        outcome = measured(explain)
        if not isinstance(design, IndexDesign):
            return outcome
        return Outcome(
            outcome.runs,
            outcome.plan,
            build_ms,
            catalog.size_bytes(connection, design.name, design.scan.schema),
            catalog.must_wait(connection, design.name),
        )


def _build(connection: Connection, design: Design) -> float:
    start = perf_counter()
    try:
        for statement in design.statements:
            execute(connection, statement)
    except DBAPIError as error:
        raise _reason(error, design.relation) from None
    except SQLAlchemyError as error:
        raise UntriedError(f"Not measured: {type(error).__name__}.") from None
    return (perf_counter() - start) * 1000


def blocks_of(plan: Plan) -> int:
    """The blocks that a plan's execution read from PostgreSQL's cache or from disk."""
    return plan.root.buffers.shared


def measured(explain: Explainer, blocks: Callable[[Plan], int] = blocks_of) -> Outcome:
    """Execute a statement three times.

    Args:
        explain: executes it and returns its plan.
        blocks: how many blocks such a plan has read.

    Raises:
        UntriedError: if it cannot be measured.
    """
    plans = []
    for _ in range(RUNS):
        try:
            plan = explain()
        except RuntimeError as error:
            raise UntriedError(str(error)) from None
        except SQLAlchemyError as error:
            raise UntriedError(f"Not measured: {type(error).__name__}.") from None
        if not plan.analyzed or plan.duration_ms is None:
            raise UntriedError(plan.notes[-1] if plan.notes else "Not measured: it was not executed.")
        plans.append(plan)
    times = tuple(plan.duration_ms or 0.0 for plan in plans)
    return Outcome(Runs(times, tuple(map(blocks, plans))), plans[-1])


def _reason(error: DBAPIError, relation: str) -> UntriedError | UnsuitableError:
    state = str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")
    if error.connection_invalidated:
        return UntriedError(LOST)
    known = {
        "55P03": f"Another session changes {relation}; it did not pause within {LOCK_TIMEOUT_MS // 1000} s.",
        "57014": f"Building it took more than {BUILD_TIMEOUT_MS // 1000} s, so it was cancelled.",
        "40P01": "Another session and this one waited for each other. Try again.",
        "53100": "The disk of the server is full.",
    }
    unsuitable = {
        "42501": f"This user may not do that: only the owner of {relation} can.",
        "42P17": "The expression depends on settings such as the time zone, so it cannot be indexed. "
        "Compare the column itself with a range.",
        "54000": "Some values are too long for this index.",
        "42704": "This kind of column cannot be indexed like that.",
    }
    if state in unsuitable:
        return UnsuitableError(unsuitable[state])
    return UntriedError(known.get(state, f"The database refused ({type(error.orig).__name__})."))


@contextmanager
def rolled_back(connection: Connection, *, is_snapshot: bool = False) -> Iterator[None]:
    """A transaction with time limits; its end undoes everything, also after errors and interrupts.

    Args:
        connection: without an open transaction.
        is_snapshot: that all statements see the same data, and none may write.

    Raises:
        ProofRefusedError: if a transaction is open already, or none can be begun.
    """
    try:
        is_explicit = _begin(connection, _SNAPSHOT if is_snapshot else None)
    except SQLAlchemyError as error:
        # Whether BEGIN arrived is not known; closed, the server undoes everything by itself.
        connection.invalidate()
        connection.rollback()
        raise ProofRefusedError(f"No transaction could be begun ({type(error).__name__}).") from None
    try:
        execute(connection, f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        execute(connection, f"SET LOCAL statement_timeout = {BUILD_TIMEOUT_MS}")
        execute(connection, "SET LOCAL standard_conforming_strings = on")
        yield
    finally:
        _end(connection, is_explicit)


def _begin(connection: Connection, characteristics: str | None) -> bool:
    """Begin; true where the driver commits each statement, so that BEGIN had to be sent.

    The savepoint is the proof that a transaction is open: without one PostgreSQL refuses it.
    """
    if connection.in_transaction():
        raise ProofRefusedError(OPEN_TRANSACTION)
    driver_connection = connection.connection.dbapi_connection
    if getattr(getattr(driver_connection, "info", None), "transaction_status", _IDLE) != _IDLE:
        raise ProofRefusedError(OPEN_TRANSACTION)
    is_explicit = bool(getattr(driver_connection, "autocommit", False))
    if is_explicit:
        execute(connection, "BEGIN")
    if characteristics:
        execute(connection, characteristics)
    execute(connection, f"SAVEPOINT {_SAVEPOINT}")
    return is_explicit


LOST = "The connection was lost; the server has undone everything by itself."
OPEN_TRANSACTION = (
    "The connection has an open transaction, and a proof would hold its locks until that ends. "
    "Commit or roll it back first, or give the engine."
)


def _end(connection: Connection, is_explicit: bool) -> None:
    try:
        if is_explicit and not connection.invalidated:
            execute(connection, "ROLLBACK")
        connection.rollback()
    except BaseException:
        # Closed, the server undoes everything by itself.
        connection.invalidate()
        raise
