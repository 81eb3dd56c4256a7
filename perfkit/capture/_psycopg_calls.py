"""What one block records of psycopg's calls: statements, their rows, and what frames them."""

import sys
from collections.abc import Callable, Iterable
from time import perf_counter
from types import FrameType
from typing import Any, NamedTuple

from perfkit.capture.patches import leave_no_trace
from perfkit.capture.pool_hooks import caller_package, is_pool_at_work
from perfkit.capture.record import Record
from perfkit.capture.recorder import Recorder
from perfkit.capture.result_size import note_size
from perfkit.capture.transactions import Frame, TransactionKind

# The text of a composed statement is known only once psycopg has put it together.
_COMPOSED = "a composed statement"
_LEAVES_SAVEPOINT: dict[TransactionKind, tuple[str, ...]] = {
    "commit": ("RELEASE",), "rollback": ("ROLLBACK TO", "RELEASE"),
}  # fmt: skip


class Sending(NamedTuple):
    """A statement on its way."""

    record: Record
    is_composed: bool
    frame: FrameType


class PsycopgCalls:
    """Tells a recorder of calls into psycopg. Whatever goes wrong in it is ours, never the user's.

    Args:
        recorder: where statements are counted.
        framing: the begins, commits and rollbacks that SQLAlchemy has reported, by connection.
        psycopg: the library.
    """

    def __init__(self, recorder: Recorder, framing: dict[int, TransactionKind], psycopg: Any) -> None:
        self.is_active = True
        self._recorder = recorder
        self._framing = framing
        self._idle = psycopg.pq.TransactionStatus.IDLE
        self._server_cursors = (psycopg.ServerCursor, psycopg.AsyncServerCursor)

    def send(
        self, cursor: Any, query: Any, parameters: Any, frame: FrameType, many: bool = False
    ) -> Sending | None:
        """Count a statement; `None` where it is none of the block's."""
        if not self.is_active:
            return None
        try:
            return self._send(cursor, query, None if many else parameters, frame)
        except Exception as error:
            self._recorder.note(f"Some statements were not counted ({type(error).__name__} in perfkit).")
            return None

    def _send(self, cursor: Any, query: Any, parameters: Any, frame: FrameType) -> Sending | None:
        # What Django sends past its own cursors is upkeep of a connection, as a pool's is.
        if is_pool_at_work(frame) or ("django.db" in sys.modules and caller_package(frame) == "django"):
            return None
        text = _text(query)
        connection = cursor.connection
        if not connection.autocommit and self.is_idle(connection):
            self.frame("begin", connection, frame)
        record = self._recorder.new(text or _COMPOSED, "postgresql", "psycopg")
        try:
            self._recorder.describe(record, frame, parameters, connection)
        except Exception as error:
            self._recorder.note(
                f"Details of some statements are missing ({type(error).__name__} in perfkit)."
            )
        record.start = perf_counter()
        return Sending(record, text is None, frame)

    def sent(self, sending: Sending | None, cursor: Any) -> None:
        """A statement was answered."""
        if sending is not None:
            sending.record.end = perf_counter()
            self.finish(sending, cursor, self._rows)

    def sent_many(self, sending: Sending | None, cursor: Any, options: dict[str, Any]) -> None:
        """An `executemany` was answered."""
        if sending is not None:
            sending.record.end = perf_counter()
            self.finish(sending, cursor, _row_count if options.get("returning") else _no_rows)

    def copied(self, sending: Sending | None, cursor: Any) -> None:
        """A COPY is over."""
        if sending is not None:
            sending.record.end = perf_counter()
            self.finish(sending, cursor, _row_count)

    def failed(self, sending: Sending | None, cursor: Any, error: BaseException) -> None:
        """A statement ended with an error, which the wrapper that caught it raises again."""
        leave_no_trace(error)
        if sending is not None:
            sending.record.end = perf_counter()
            sending.record.error_type = type(error).__name__
            self.finish(sending, cursor, None)

    def finish(self, sending: Sending, cursor: Any, rows: Callable[[Any], int | None] | None) -> None:
        """Read what only the cursor knows."""
        try:
            if sending.is_composed:
                self._name(sending, cursor)
            if rows is not None:
                sending.record.rows = rows(cursor)
                note_size(sending.record, cursor)
        except Exception as error:
            self._recorder.note(f"Rows of some statements are unknown ({type(error).__name__} in perfkit).")

    def savepoints(
        self, commands: Iterable[str], transaction: Any, frame: FrameType, start: float | None = None
    ) -> None:
        """Count what a nested transaction block has sent, which passes by all cursors.

        Args:
            commands: `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`, in the order in which they were sent.
            transaction: psycopg's transaction block, which knows the savepoint's name.
            frame: the caller of psycopg.
            start: when the first was sent; it takes all of the time. `None` where that is another's.
        """
        if not self.is_active or is_pool_at_work(frame):
            return
        name = str(transaction.savepoint_name).replace('"', '""')
        end = perf_counter()
        try:
            for command in commands:
                record = self._recorder.new(f'{command} "{name}"', "postgresql", "psycopg")
                self._recorder.describe(record, frame, None, transaction.connection)
                record.rows, record.start, record.end, start = 0, start or end, end, None
        except Exception as error:
            self._recorder.note(f"Some savepoints were not counted ({type(error).__name__} in perfkit).")

    def entered(self, transaction: Any, sent: Frame | None, start: float, frame: FrameType) -> None:
        """A transaction block has begun, by a BEGIN, a savepoint, or both.

        Args:
            transaction: psycopg's transaction block.
            sent: what was counted for its BEGIN, if it sent one.
            start: when it was entered.
            frame: the caller of psycopg.
        """
        self.ended(sent)
        if transaction.savepoint_name:
            self.savepoints(("SAVEPOINT",), transaction, frame, None if sent else start)

    def left(self, transaction: Any, was_open: bool, start: float, frame: FrameType) -> None:
        """A transaction block has ended, by a COMMIT or ROLLBACK or, if nested, at its savepoint."""
        if not was_open or transaction.connection.closed:
            return
        kind = ending(transaction)
        if self.is_idle(transaction.connection):
            self.ended(self.frame(kind, transaction.connection, frame), start)
        elif transaction.savepoint_name:
            self.savepoints(_LEAVES_SAVEPOINT[kind], transaction, frame, start)

    def is_idle(self, connection: Any) -> bool:
        """Whether the connection is in no transaction, as far as the server has told."""
        return bool(connection.pgconn.transaction_status == self._idle)

    def frame(self, kind: TransactionKind, connection: Any, frame: FrameType) -> Frame | None:
        """Count a begin, commit or rollback, unless SQLAlchemy has counted it.

        Returns:
            What `ended` takes; `None` where nothing was counted.
        """
        if self._framing.pop(id(connection), None) == kind or not self.is_active or is_pool_at_work(frame):
            return None
        try:
            return self._recorder.transaction(kind, frame, connection)
        except Exception as error:
            self._recorder.note(f"Some transactions were not counted ({type(error).__name__} in perfkit).")
            return None

    def end(self, kind: TransactionKind, connection: Any, frame: FrameType) -> Frame | None:
        """Count a commit or rollback that has something to end; returns what `frame` does."""
        if self.is_idle(connection):
            self._framing.pop(id(connection), None)
            return None
        return self.frame(kind, connection, frame)

    def ended(self, sent: Frame | None, start: float | None = None) -> None:
        """A begin, commit or rollback was answered.

        Args:
            sent: from `frame` or `end`.
            start: when it was sent, where it is counted only afterwards.
        """
        self._recorder.ended(sent, start)

    def _name(self, sending: Sending, cursor: Any) -> None:
        """Give a composed statement its text, and so its shape and its loop."""
        query = getattr(cursor, "_query", None)  # documented as psycopg's aid for debugging
        if query is not None:
            sending.record.shape_source = query.query.decode("utf-8", "replace")
            self._recorder.place(sending.record, sending.frame)

    def _rows(self, cursor: Any) -> int | None:
        """Rows that came; unknown while a pipeline waits, and for a cursor that lives in the server."""
        result = cursor.pgresult
        if result is None or isinstance(cursor, self._server_cursors):
            return None
        return int(result.ntuples)


class StreamWatch:
    """Counts the rows of a stream, and the time that the program waits for them."""

    def __init__(self, sending: Sending | None) -> None:
        self._sending = sending
        self._rows = 0
        self._busy = 0.0
        self._since = perf_counter()

    def received(self) -> None:
        """A row came."""
        self._rows += 1
        self._busy += perf_counter() - self._since

    def resume(self) -> None:
        """The program asks for the next row."""
        self._since = perf_counter()

    def over(self) -> None:
        """The last row had come."""
        self._busy += perf_counter() - self._since

    def ended(self, calls: PsycopgCalls, cursor: Any, error: BaseException | None) -> None:
        """Report the stream; one that was left early is no error."""
        if self._sending is None:
            return
        record = self._sending.record
        record.end = record.start + self._busy
        if error is not None and not isinstance(error, GeneratorExit):
            record.error_type = type(error).__name__
        calls.finish(self._sending, cursor, lambda _: self._rows)


def ending(transaction: Any) -> TransactionKind:
    """How psycopg's transaction block ended."""
    return "commit" if transaction.status.value == "committed" else "rollback"


def _text(query: Any) -> str | None:
    """The text of a statement; `None` for one that psycopg has still to put together."""
    if type(query) is str:
        return query
    return query.decode("utf-8", "replace") if type(query) is bytes else None


def _no_rows(cursor: Any) -> int:
    return 0


def _row_count(cursor: Any) -> int | None:
    count = cursor.rowcount
    return count if isinstance(count, int) and count >= 0 else None
