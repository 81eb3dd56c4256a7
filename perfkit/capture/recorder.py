"""Where every driver's hooks report: counts, places and times statements, whoever sent them."""

import asyncio
import itertools
import threading
import weakref
from dataclasses import dataclass, field
from threading import get_ident
from time import perf_counter
from types import FrameType
from typing import Any

from perfkit.capture.background import Background
from perfkit.capture.fingerprint import fingerprint, operation_name, shape_id
from perfkit.capture.loans import Loan, Loans
from perfkit.capture.loops import LoopFinder
from perfkit.capture.overflow import Overflow
from perfkit.capture.parameters import ParameterNames, digest, offset_value, values_in_text
from perfkit.capture.places import Places
from perfkit.capture.record import Record
from perfkit.capture.samples import StatementSample, finished_samples
from perfkit.capture.shown_parameters import shown_parameters
from perfkit.capture.transactions import Frame, TransactionKind, Transactions
from perfkit.model.connection import PoolActivity, TransactionCounts, TransactionEvent
from perfkit.model.query import QuerySpan, QueryTotals

# Beyond this many, statements are added up: a block of a million must neither fill the memory nor the report.
KEPT = 20_000
_SIZED = (tuple, list, dict)
# How many are let run on before those that have ended are added up.
_PENDING = 2_000


@dataclass(frozen=True, slots=True)
class QueryLog:
    """What was recorded. `samples` hold the user's values: drop them when the block is judged."""

    spans: tuple[QuerySpan, ...]
    transactions: tuple[TransactionEvent, ...]
    duration_ms: float
    samples: tuple[StatementSample, ...] = ()
    notes: tuple[str, ...] = ()
    pool: PoolActivity | None = None
    more: tuple[QueryTotals, ...] = ()
    more_transactions: TransactionCounts = field(default_factory=TransactionCounts)
    background: tuple[QuerySpan, ...] = ()
    more_background: tuple[QueryTotals, ...] = ()
    stalled_ms: float | None = None


class Recorder:
    """One block's statements. Hooks call it from any thread; it never raises into them.

    Args:
        keep_samples: keep the first statement of each shape with its parameters, for EXPLAIN.
        keep_parameters: keep the parameter values of each statement, as text.
    """

    def __init__(self, *, keep_samples: bool = False, keep_parameters: bool = False) -> None:
        self._records: list[Record] = []
        self._pending: list[Record] = []
        self._overflow = Overflow()
        self._folding = threading.Lock()
        self.block_start = perf_counter()
        self._transactions = Transactions(KEPT)
        self._background_count = 0
        self._serials = itertools.count()
        self._loops = LoopFinder()
        self._background = Background()
        self._loans = Loans()
        self._parameter_names = ParameterNames()
        self._connections: dict[int, tuple[weakref.ref[Any] | None, int]] = {}
        self._connection_numbers = itertools.count(1)
        self.keeps_samples = keep_samples
        self._samples: dict[str, StatementSample] = {}
        self._shown: dict[int, tuple[str, ...] | None] | None = {} if keep_parameters else None
        self._notes: dict[str, None] = {}

    def look_around(self) -> None:
        """Remember who is at work before the block begins."""
        self._background.look()

    def new(self, shape_source: str, system_name: str, driver: str) -> Record:
        """Count a statement that is about to be sent."""
        record = Record(next(self._serials), shape_source, system_name, driver)
        if len(self._records) < KEPT:
            self._records.append(record)
        else:
            with self._folding:
                self._pending.append(record)
            if len(self._pending) > _PENDING:
                self._fold()
        return record

    @property
    def count(self) -> int:
        """Statements of the block so far, those of others who were at work before it left out."""
        return self._recorded - self._background_count

    @property
    def _recorded(self) -> int:
        return len(self._records) + len(self._pending) + self._overflow.count

    def _fold(self) -> None:
        """Add up the statements beyond the bound that have ended; the others wait for the next time."""
        with self._folding:
            pending, self._pending = self._pending, []
            for record in pending:
                if record.end:
                    self._overflow.add(record, self._loops)
                else:
                    self._pending.append(record)

    def describe(self, record: Record, frame: FrameType | None, parameters: Any, connection: Any) -> None:
        """Look where the statement comes from and what it asks for.

        Args:
            record: from `new`.
            frame: the innermost frame outside perfkit.
            parameters: the driver's own; only a name for them is kept, and their values where that was asked
                for.
            connection: the driver's connection; only a number for it is kept.
        """
        task = _current_task()
        record.thread_id = thread_id = get_ident()
        if task is not None:
            record.task_id = task.get_name()
        if self._background.is_any and self._background.covers(thread_id, task):
            record.is_background = True
            with self._folding:
                self._background_count += 1
        record.parameters = digest(parameters)
        record.offset = offset_value(record.shape_source, parameters)
        if self._shown is not None and len(self._shown) < KEPT:
            self._shown[record.serial] = shown_parameters(parameters)
        record.parameter_count = len(parameters) if isinstance(parameters, _SIZED) else None
        record.connection_id = self.connection_number(connection)
        self.place(record, frame)

    def hide_parameters(self, record: Record) -> None:
        """What was told as parameters only names them: their values are not known."""
        if self._shown is not None:
            self._shown.pop(record.serial, None)

    def place(self, record: Record, frame: FrameType | None) -> None:
        """Find the line and the loop of a statement whose shape is known."""
        key, values = values_in_text(record.shape_source)
        if values and record.parameters is not None:
            record.parameters = hash((record.parameters, values))
        is_access = record.load.is_access
        record.position = self._loops.locate(frame, key, record.serial, is_access=is_access)

    def sample(
        self, record: Record, statement: str, parameters: Any, engine: Any, executemany: bool, context: Any
    ) -> None:
        """Keep the first statement of its shape; asked for only where `keeps_samples`."""
        if record.shape_source not in self._samples and not record.is_background:
            in_cursor = bool(getattr(context, "_is_server_side", False))
            self._samples[record.shape_source] = StatementSample(
                "", statement, parameters, engine, executemany, in_cursor=in_cursor
            )

    def transaction(self, kind: TransactionKind, frame: FrameType | None, connection: Any) -> Frame | None:
        """Count a begin, commit or rollback.

        Returns:
            What `ended` takes where the driver tells the end too; `None` for one that is not the block's.
        """
        if self._background.covers(get_ident(), _current_task()):
            return None
        serial = next(self._serials)
        position = self._loops.locate(frame, kind, serial)
        sent = Frame(kind, self.connection_number(connection), serial, position)
        self._transactions.add(sent)
        return sent

    def ended(self, frame: Frame | None, start: float | None = None) -> None:
        """A begin, commit or rollback was answered; arguments as for `Transactions.ended`."""
        if frame is not None:
            self._transactions.ended(frame, start)

    def ask(self, pool: Any, frame: FrameType | None) -> Loan:
        """Count a request to a pool that is about to be made."""
        serial = next(self._serials)
        position = self._loops.locate(frame, "connection", serial)
        thread_id = get_ident()
        loan = Loan(self._loans.pool_number(pool), serial, thread_id, position)
        loan.is_background = self._background.covers(thread_id, _current_task())
        self._loans.add(loan)
        return loan

    def connection_number(self, connection: Any) -> int:
        """A number for a connection, without keeping it."""
        known = self._connections.get(id(connection))
        if known is not None and (known[0] is None or known[0]() is connection):
            return known[1]
        return self.new_connection(connection)

    def new_connection(self, connection: Any) -> int:
        """A number for a connection that was just opened, at the address of an older one perhaps."""
        try:
            reference = weakref.ref(connection)
        except TypeError:  # sqlite3's have no room for one
            reference = None
        number = next(self._connection_numbers)
        self._connections[id(connection)] = (reference, number)
        return number

    def note(self, text: str) -> None:
        """A remark for the trace about what could not be seen; the same remark once."""
        self._notes[text] = None

    def forget(self) -> None:
        """Take the marks off the frames that still run."""
        self._loops.forget()
        self._background.forget()

    def log(self) -> QueryLog:
        """What was recorded so far."""
        end, places = perf_counter(), Places()
        self._fold()
        kept = [*self._records, *self._pending]
        if any(not record.end for record in kept):
            self.note("Some statements were still running when the block ended; their time is cut there.")
        if self._overflow.count:
            self.note(
                f"{self._recorded:,} statements were sent. The first {KEPT:,} are kept one by one and "
                "judged; the rest is added up by shape and line."
            )
        if self._loans.dropped:
            self.note(f"{self._loans.dropped:,} further loans of connections were left out.")
        spans = tuple(self._span(record, end, places) for record in kept if not record.is_background)
        return QueryLog(
            spans,
            self._transactions.events(self.block_start, self._loops, places),
            (end - self.block_start) * 1000,
            finished_samples(self._samples, spans),
            tuple(self._notes),
            self._loans.activity(self.block_start, self._loops, places),
            self._overflow.finished(places),
            self._transactions.more(),
            tuple(self._span(record, end, places) for record in kept if record.is_background),
            self._overflow.finished(places, background=True),
        )

    def _span(self, record: Record, end: float, places: Places) -> QuerySpan:
        text = fingerprint(record.shape_source, record.system_name)
        loop_id = self._loops.loop_of(record.serial, record.position.loop_id)
        start = record.start or self.block_start
        return QuerySpan(
            query_text=text,
            fingerprint=shape_id(text),
            operation_name=operation_name(text),
            system_name=record.system_name,
            duration_ms=((record.end or end) - start + record.read_s) * 1000,
            start_ms=(start - self.block_start) * 1000,
            parameter_fingerprint=self._parameter_names.named(record.parameters),
            returned_rows=record.sent_rows,
            returned_bytes=record.returned_bytes,
            status="error" if record.error_type else "ok",
            error_type=record.error_type,
            call_site=places.line(record.position.call),
            loop_site=places.loop(self._loops.instruction(loop_id)),
            loop_id=loop_id,
            thread_id=record.thread_id,
            task_id=record.task_id,
            batch_size=record.batch_size,
            context_id=self._loops.call_of(record.serial),
            consumed_rows=record.consumed_rows,
            driver=record.driver,
            connection_id=record.connection_id,
            is_background=record.is_background,
            parameter_count=record.parameter_count,
            offset_fingerprint=self._parameter_names.named(record.offset),
            parameters=self._shown.get(record.serial) if self._shown is not None else None,
            **record.load.span_fields(),
        )


def _current_task() -> "asyncio.Task[Any] | None":
    # `current_task` raises where no loop runs, at five times the cost of asking first.
    return None if asyncio._get_running_loop() is None else asyncio.current_task()
