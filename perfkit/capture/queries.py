"""Every statement that SQLAlchemy sends during a block, from any engine, thread or task."""

import asyncio
import itertools
import sys
import threading
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from perfkit.capture.call_site import code_location, line_at
from perfkit.capture.fingerprint import fingerprint, operation_name, shape_id
from perfkit.capture.loop_header import loop_header_line
from perfkit.capture.loops import Instruction, LoopFinder, Position
from perfkit.capture.orm import relationship_of
from perfkit.capture.parameters import ParameterNames
from perfkit.capture.samples import StatementSample
from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan, TransactionCounts

# perfkit's own statements carry this execution option and are never counted.
INTERNAL_OPTION = "perfkit_internal"


@dataclass(frozen=True, slots=True)
class QueryLog:
    """What a `QueryCollector` saw. `samples` hold the user's values: drop them when the block is judged."""

    spans: tuple[QuerySpan, ...]
    transactions: TransactionCounts
    duration_ms: float
    samples: tuple[StatementSample, ...] = ()
    notes: tuple[str, ...] = ()


class _Record:
    """A statement while it runs. Mutable and small: there may be a million of them."""

    __slots__ = (
        "batch_size", "context_id", "end", "error_type", "parameters", "position", "relationship", "rows",
        "serial", "shape_source", "start", "system_name", "task_id", "thread_id",
    )  # fmt: skip

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.shape_source = ""
        self.system_name = ""
        self.start = self.end = 0.0
        self.position = Position(None, None)
        self.relationship: str | None = None
        self.parameters: str | None = None
        self.rows: int | None = None
        self.error_type: str | None = None
        self.thread_id = 0
        self.task_id: str | None = None
        self.batch_size = 1
        self.context_id = 0


class QueryCollector:
    """Records statements between `start` and `stop` through SQLAlchemy's own events, and nothing else.

    Args:
        keep_samples: keep the first statement of each shape with its parameters, for EXPLAIN.
    """

    def __init__(self, *, keep_samples: bool = False) -> None:
        self._records: list[_Record] = []
        self._open: dict[int, _Record] = {}
        self._serials = itertools.count()
        self._loops = LoopFinder()
        self._parameter_names = ParameterNames()
        self._samples: dict[str, StatementSample] | None = {} if keep_samples else None
        self._counts = dict.fromkeys(("begin", "commit", "rollback"), 0)
        self._lock = threading.Lock()
        self._notes: dict[str, None] = {}
        self._listeners: list[tuple[str, Any]] = []
        self._locations: dict[Instruction, CodeLocation] = {}
        self._loop_locations: dict[Instruction, CodeLocation] = {}
        self._block_start = 0.0

    def start(self) -> None:
        """Begin to record."""
        self._block_start = perf_counter()
        self._listen("before_cursor_execute", self._before)
        self._listen("after_cursor_execute", self._after)
        self._listen("handle_error", self._failed)
        for name in self._counts:
            self._listen(name, self._transaction_counter(name))

    def stop(self, *, since: float | None = None) -> QueryLog:
        """Stop recording and take every listener and mark away.

        Args:
            since: when the block began (`time.perf_counter`); by default when `start` was called.

        Returns:
            The statements in the order in which they were sent.
        """
        while self._listeners:
            name, function = self._listeners.pop()
            event.remove(Engine, name, function)
        self._loops.forget()
        self._block_start = since or self._block_start
        log = self.log()
        self._open.clear()
        return log

    @property
    def count(self) -> int:
        """Statements so far."""
        return len(self._records)

    def log(self) -> QueryLog:
        """What was seen so far; `stop` returns the same once the block is over."""
        end = perf_counter()
        notes = list(self._notes)
        if self._open:
            notes.append("Some statements were still running when the block ended; their time is cut there.")
        spans = tuple(self._span(record, end) for record in self._records)
        counts = TransactionCounts(self._counts["begin"], self._counts["commit"], self._counts["rollback"])
        duration_ms = (end - self._block_start) * 1000
        return QueryLog(spans, counts, duration_ms, self._finished_samples(spans), tuple(notes))

    def _listen(self, name: str, function: Any) -> None:
        event.listen(Engine, name, function)
        self._listeners.append((name, function))

    def _transaction_counter(self, name: str) -> Any:
        def count(connection: Connection) -> None:
            if not connection.get_execution_options().get(INTERNAL_OPTION):
                with self._lock:
                    self._counts[name] += 1

        return count

    def _before(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        """Count the statement, then look around. Whatever goes wrong here is ours, never the user's."""
        if connection.get_execution_options().get(INTERNAL_OPTION):
            return
        record = _Record(next(self._serials))
        self._records.append(record)
        self._open[id(context)] = record
        try:
            self._describe(record, connection, statement, parameters, context, executemany)
        except Exception as error:
            self._note(f"Details of some statements are missing ({type(error).__name__} in perfkit).")
        record.start = perf_counter()

    def _describe(
        self,
        record: _Record,
        connection: Connection,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        compiled = getattr(context, "compiled", None)
        record.shape_source = compiled.string if compiled is not None else statement
        record.system_name = connection.dialect.name
        record.context_id = id(context)
        record.thread_id = threading.get_ident()
        record.task_id = _task_name()
        record.batch_size = len(parameters) if executemany and isinstance(parameters, list | tuple) else 1
        record.relationship = relationship_of(context)
        record.parameters = None if executemany else self._parameter_names.name(parameters)
        # Two frames up: the listener's own caller is SQLAlchemy, and what lies between is no one's loop.
        record.position = self._loops.locate(sys._getframe(2), record.shape_source, record.serial)
        if self._samples is not None and record.shape_source not in self._samples:
            self._samples[record.shape_source] = StatementSample(
                "", statement, parameters, connection.engine, executemany
            )

    def _after(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        end = perf_counter()
        record = self._open.pop(id(context), None)
        if record is None:
            return
        record.end = end
        try:
            record.rows = _returned_rows(cursor)
        except Exception as error:
            self._note(
                f"Rows of some statements are unknown ({type(error).__name__} in the driver's cursor)."
            )

    def _failed(self, failure: Any) -> None:
        record = self._open.pop(id(failure.execution_context), None)
        if record is not None:
            record.end = perf_counter()
            record.error_type = type(failure.original_exception).__name__

    def _note(self, text: str) -> None:
        self._notes[text] = None

    def _span(self, record: _Record, end: float) -> QuerySpan:
        text = fingerprint(record.shape_source, record.system_name)
        loop_id = self._loops.loop_of(record.serial, record.position.loop_id)
        loop_site = None if loop_id is None else self._loop_location(self._loops.instruction(loop_id))
        start = record.start or self._block_start
        return QuerySpan(
            query_text=text,
            fingerprint=shape_id(text),
            operation_name=operation_name(text),
            system_name=record.system_name,
            duration_ms=((record.end or end) - start) * 1000,
            start_ms=(start - self._block_start) * 1000,
            parameter_fingerprint=record.parameters,
            returned_rows=record.rows,
            status="error" if record.error_type else "ok",
            error_type=record.error_type,
            call_site=self._location(record.position.call),
            loop_site=loop_site,
            loop_id=loop_id,
            relationship=record.relationship,
            thread_id=record.thread_id,
            task_id=record.task_id,
            batch_size=record.batch_size,
            context_id=record.context_id,
        )

    def _location(self, place: Instruction | None) -> CodeLocation | None:
        if place is None:
            return None
        known = self._locations.get(place)
        if known is None:
            line = line_at(place.code, place.offset)
            known = self._locations[place] = code_location(place.code.co_filename, line, place.code.co_name)
        return known

    def _loop_location(self, place: Instruction) -> CodeLocation:
        known = self._loop_locations.get(place)
        if known is None:
            path = place.code.co_filename
            line = loop_header_line(path, line_at(place.code, place.offset))
            known = self._loop_locations[place] = code_location(path, line, place.code.co_name)
        return known

    def _finished_samples(self, spans: tuple[QuerySpan, ...]) -> tuple[StatementSample, ...]:
        if not self._samples:
            return ()
        totals: dict[str, list[QuerySpan]] = {}
        for span in spans:
            totals.setdefault(span.fingerprint, []).append(span)
        for shape_source, sample in self._samples.items():
            sample.fingerprint = shape_id(fingerprint(shape_source, sample.engine.dialect.name))
            members = totals[sample.fingerprint]
            sample.executions, sample.call_site = len(members), members[0].call_site
            sample.total_ms = sum(span.duration_ms for span in members)
        return tuple(self._samples.values())


def _returned_rows(cursor: Any) -> int | None:
    """Rows that the driver fetched: `rowcount` of a client-side cursor; `None` where it cannot tell."""
    if cursor.description is None:
        return 0
    count = cursor.rowcount
    return count if isinstance(count, int) and count >= 0 else None


def _task_name() -> str | None:
    if asyncio._get_running_loop() is None:  # current_task raises, at five times the cost
        return None
    task = asyncio.current_task()
    return task.get_name() if task else None
