"""Where every driver's hooks report: counts, places and times statements, whoever sent them."""

import asyncio
import itertools
import threading
from dataclasses import dataclass
from time import perf_counter
from types import FrameType
from typing import Any, Literal

from perfkit.capture.background import Background
from perfkit.capture.fingerprint import fingerprint, operation_name, shape_id
from perfkit.capture.loans import Loan, Loans
from perfkit.capture.loops import NOWHERE, LoopFinder, Position
from perfkit.capture.orm import NO_LOAD, OrmLoad
from perfkit.capture.parameters import ParameterNames, digest
from perfkit.capture.places import Places
from perfkit.capture.rows import RowCount
from perfkit.capture.samples import StatementSample
from perfkit.model.connection import PoolActivity, TransactionEvent
from perfkit.model.query import QuerySpan

TransactionKind = Literal["begin", "commit", "rollback"]


@dataclass(frozen=True, slots=True)
class QueryLog:
    """What was recorded. `samples` hold the user's values: drop them when the block is judged."""

    spans: tuple[QuerySpan, ...]
    transactions: tuple[TransactionEvent, ...]
    duration_ms: float
    samples: tuple[StatementSample, ...] = ()
    notes: tuple[str, ...] = ()
    pool: PoolActivity | None = None


class Record:
    """A statement while it runs. Mutable and small: there may be a million of them."""

    __slots__ = (
        "batch_size", "connection_id", "consumed", "context_id", "driver", "end", "error_type",
        "is_background", "load", "parameters", "position", "rows", "serial", "shape_source", "start",
        "system_name", "task_id", "thread_id",
    )  # fmt: skip

    def __init__(self, serial: int, shape_source: str, system_name: str, driver: str) -> None:
        self.serial = serial
        self.shape_source = shape_source
        self.system_name = system_name
        self.driver = driver
        self.start = self.end = 0.0
        self.position = NOWHERE
        self.load: OrmLoad = NO_LOAD
        self.parameters: int | None = None
        self.rows: int | None = None
        self.consumed: RowCount | None = None
        self.error_type: str | None = None
        self.thread_id = 0
        self.task_id: str | None = None
        self.batch_size = 1
        self.context_id = 0
        self.connection_id = 0
        self.is_background = False


@dataclass(slots=True)
class _Frame:
    """A begin, commit or rollback."""

    kind: TransactionKind
    time: float
    connection_id: int
    serial: int
    position: Position


class Recorder:
    """One block's statements. Hooks call it from any thread; it never raises into them.

    Args:
        keep_samples: keep the first statement of each shape with its parameters, for EXPLAIN.
    """

    def __init__(self, *, keep_samples: bool = False) -> None:
        self.records: list[Record] = []
        self.block_start = perf_counter()
        self._frames: list[_Frame] = []
        self._serials = itertools.count()
        self._loops = LoopFinder()
        self._background = Background()
        self._loans = Loans()
        self._parameter_names = ParameterNames()
        self._connections: dict[int, int] = {}
        self._connection_numbers = itertools.count(1)
        self._samples: dict[str, StatementSample] | None = {} if keep_samples else None
        self._notes: dict[str, None] = {}

    def look_around(self) -> None:
        """Remember who is at work before the block begins."""
        self._background.look()

    def new(self, shape_source: str, system_name: str, driver: str) -> Record:
        """Count a statement that is about to be sent."""
        record = Record(next(self._serials), shape_source, system_name, driver)
        self.records.append(record)
        return record

    def describe(self, record: Record, frame: FrameType | None, parameters: Any, connection: Any) -> None:
        """Look where the statement comes from and what it asks for.

        Args:
            record: from `new`.
            frame: the innermost frame outside perfkit.
            parameters: the driver's own; only a name for them is kept.
            connection: the driver's connection; only a number for it is kept.
        """
        task = _current_task()
        record.thread_id = threading.get_ident()
        record.task_id = task.get_name() if task else None
        record.is_background = self._background.covers(record.thread_id, task)
        record.parameters = digest(parameters)
        record.connection_id = self.connection_number(connection)
        self.place(record, frame)

    def place(self, record: Record, frame: FrameType | None) -> None:
        """Find the line and the loop of a statement whose shape is known."""
        record.position = self._loops.locate(frame, record.shape_source, record.serial)

    def sample(self, record: Record, statement: str, parameters: Any, engine: Any, executemany: bool) -> None:
        """Keep the first statement of its shape, if samples are wanted."""
        if self._samples is not None and record.shape_source not in self._samples:
            self._samples[record.shape_source] = StatementSample(
                "", statement, parameters, engine, executemany
            )

    def transaction(self, kind: TransactionKind, frame: FrameType | None, connection: Any) -> None:
        """Count a begin, commit or rollback."""
        serial = next(self._serials)
        position = self._loops.locate(frame, kind, serial)
        number = self.connection_number(connection)
        self._frames.append(_Frame(kind, perf_counter(), number, serial, position))

    def ask(self, pool: Any, frame: FrameType | None) -> Loan:
        """Count a request to a pool that is about to be made."""
        serial = next(self._serials)
        position = self._loops.locate(frame, "connection", serial)
        loan = Loan(self._loans.pool_number(pool), serial, threading.get_ident(), position)
        self._loans.add(loan)
        return loan

    def connection_number(self, connection: Any) -> int:
        """A number for a connection, by identity, without keeping it."""
        known = self._connections.get(id(connection))
        if known is None:
            known = self._connections[id(connection)] = next(self._connection_numbers)
        return known

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
        if any(not record.end for record in self.records):
            self.note("Some statements were still running when the block ended; their time is cut there.")
        spans = tuple(self._span(record, end, places) for record in self.records)
        frames = tuple(self._event(frame, places) for frame in self._frames)
        samples = self._finished_samples(spans)
        pool = self._loans.activity(self.block_start, self._loops, places)
        duration_ms = (end - self.block_start) * 1000
        return QueryLog(spans, frames, duration_ms, samples, tuple(self._notes), pool)

    def _span(self, record: Record, end: float, places: Places) -> QuerySpan:
        text = fingerprint(record.shape_source, record.system_name)
        loop_id = self._loops.loop_of(record.serial, record.position.loop_id)
        start = record.start or self.block_start
        consumed = record.consumed.rows if record.consumed else None
        return QuerySpan(
            query_text=text,
            fingerprint=shape_id(text),
            operation_name=operation_name(text),
            system_name=record.system_name,
            duration_ms=((record.end or end) - start) * 1000,
            start_ms=(start - self.block_start) * 1000,
            parameter_fingerprint=self._parameter_names.named(record.parameters),
            returned_rows=consumed if record.rows is None else record.rows,
            status="error" if record.error_type else "ok",
            error_type=record.error_type,
            call_site=places.line(record.position.call),
            loop_site=places.loop(self._loops.instruction(loop_id)),
            loop_id=loop_id,
            relationship=record.load.relationship,
            thread_id=record.thread_id,
            task_id=record.task_id,
            batch_size=record.batch_size,
            context_id=record.context_id,
            consumed_rows=consumed,
            column_load=record.load.column,
            column_load_kind=record.load.column_kind,
            driver=record.driver,
            connection_id=record.connection_id,
            is_background=record.is_background,
        )

    def _event(self, frame: _Frame, places: Places) -> TransactionEvent:
        loop_id = self._loops.loop_of(frame.serial, frame.position.loop_id)
        return TransactionEvent(
            frame.kind,
            (frame.time - self.block_start) * 1000,
            frame.connection_id,
            places.line(frame.position.call),
            places.loop(self._loops.instruction(loop_id)),
            loop_id,
        )

    def _finished_samples(self, spans: tuple[QuerySpan, ...]) -> tuple[StatementSample, ...]:
        if not self._samples:
            return ()
        groups: dict[str, list[QuerySpan]] = {}
        for span in spans:
            groups.setdefault(span.fingerprint, []).append(span)
        for shape_source, sample in self._samples.items():
            sample.fingerprint = shape_id(fingerprint(shape_source, sample.engine.dialect.name))
            members = groups[sample.fingerprint]
            sample.executions, sample.call_site = len(members), members[0].call_site
            sample.total_ms = sum(span.duration_ms for span in members)
        return tuple(self._samples.values())


def _current_task() -> "asyncio.Task[Any] | None":
    if asyncio._get_running_loop() is None:  # current_task raises, at five times the cost
        return None
    return asyncio.current_task()
