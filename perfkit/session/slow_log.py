"""A log of slow statements for development: each with its line, by Python's own logging."""

import logging
import math
import sys
import threading
from contextvars import ContextVar
from time import perf_counter
from types import FrameType, TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from perfkit.capture.fingerprint import fingerprint
from perfkit.capture.loops import LoopFinder
from perfkit.capture.orm import orm_load
from perfkit.capture.places import Places
from perfkit.capture.sqlalchemy_hooks import INTERNAL_OPTION, sent_rows
from perfkit.model.location import CodeLocation
from perfkit.model.wording import counted

# Loops are proved among the slow statements only; after so many, what was learned of them is dropped.
_FINDER_LIFE = 1000
_TEXT_LIMIT = 2000
_MAX_FRAMES = 400
# On SQLAlchemy's execution context, which lives as long as the statement and its result.
_START = "_perfkit_slow_log_start"

# A handler may send statements of its own: from where it is called, from a queue's thread, from a task. They
# are not logged in turn, or one slow statement would be followed by others without end.
_HANDLE = logging.Handler.handle.__code__
_is_logging: ContextVar[bool] = ContextVar("perfkit_slow_log", default=False)

_lock = threading.RLock()
_active: "SlowLog | None" = None


class _Statement(NamedTuple):
    """A statement that has ended."""

    text: str
    system_name: str
    duration_ms: float
    outcome: str
    context: Any


class SlowLog:
    """A log of slow statements that runs until `stop`, or until its `with` block ends; see `log_slow`."""

    def __init__(self, threshold_ms: float, logger: logging.Logger, level: int) -> None:
        self._threshold_ms = threshold_ms
        self._logger = logger
        self._level = level
        self._finder: LoopFinder | None = None
        self._placed = 0
        self._former: SlowLog | None = None
        self._is_entered = self._is_stopped = False

    def stop(self) -> None:
        """Log nothing more. Idempotent."""
        self._is_stopped = True
        with _lock:
            if _active is self:
                _activate(None)

    def __enter__(self) -> Self:
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _lock:
            if _active is self or _active is None:
                former, self._former = self._former, None
                _activate(former if former and not former._is_stopped else None)

    def _start(self) -> None:
        with _lock:
            self._former = _active
            if _active is not None and not _active._is_entered:
                _active._former = None  # nobody will ask for it: cells that are run again chain nothing up
            _activate(self)

    def _end(self) -> None:
        """Take the marks off the frames that were looked at."""
        if self._finder is not None:
            self._finder.forget()
            self._finder = None

    def _is_slow(self, duration_ms: float) -> bool:
        return duration_ms >= self._threshold_ms and self._logger.isEnabledFor(self._level)

    def _write(self, statement: _Statement, frame: FrameType) -> None:
        if _is_logging.get() or _is_in_handler(frame):
            return
        shape = fingerprint(statement.text, statement.system_name)
        with _lock:
            if _active is not self:
                return
            site, loop = self._locate(frame, shape)
        load = orm_load(statement.context)
        cause = load.relationship or load.column
        arguments = (
            statement.duration_ms,
            statement.outcome,
            shape if len(shape) <= _TEXT_LIMIT else f"{shape[:_TEXT_LIMIT]}…",
            f" (loads {cause})" if cause else "",
            site.label if site else "no line of yours",
            f", loop at {loop.label}" if loop else "",
        )
        self._emit(site, "%.1f ms, %s: %s%s | sent from %s%s", arguments)

    def _locate(self, frame: FrameType, shape: str) -> tuple[CodeLocation | None, CodeLocation | None]:
        if self._finder is None or self._placed >= _FINDER_LIFE:
            self._end()
            self._finder, self._placed = LoopFinder(), 0
        self._placed += 1
        position = self._finder.locate(frame, shape, self._placed)
        places = Places()
        return places.line(position.call), places.loop(self._finder.instruction(position.loop_id))

    def _emit(self, site: CodeLocation | None, message: str, arguments: tuple[object, ...]) -> None:
        """Log in the name of the user's line: `%(pathname)s` and `%(lineno)d` of a format are that line."""
        site = site or CodeLocation("(unknown file)", 0, "")
        record = self._logger.makeRecord(
            self._logger.name,
            self._level,
            site.file_path,
            site.line_number,
            message,
            arguments,
            None,
            site.function_name,
        )
        token = _is_logging.set(True)
        try:
            self._logger.handle(record)
        finally:
            _is_logging.reset(token)


def log_slow(
    threshold_ms: float = 100.0,
    *,
    logger: str | logging.Logger = "perfkit.slow",
    level: int = logging.WARNING,
) -> SlowLog:
    """Log every statement that takes long, from any SQLAlchemy engine, thread or task, while you develop.

    Each gets one record: its time, its rows, its text without values, the line of yours that sent it, and
    the loop around that line once the loop has sent a second slow one. Nothing else is kept. There is one
    log at a time: calling this again changes the settings; a `with` block gives the former ones back.

    Args:
        threshold_ms: log statements that take at least so long, in milliseconds. 100 is where the SDK of
            Sentry begins to look for the line of a query.
        logger: the name of the logger, or the logger.
        level: the level of the records, such as `logging.WARNING`.

    Returns:
        A handle with `stop`, which is a context manager too.

    Raises:
        ValueError: if the threshold is negative or no number.
        TypeError: if an argument is of another type.
    """
    _require(threshold_ms, logger, level)
    log = SlowLog(threshold_ms, logging.getLogger(logger) if isinstance(logger, str) else logger, level)
    log._start()
    return log


def _require(threshold_ms: object, logger: object, level: object) -> None:
    if isinstance(threshold_ms, bool) or not isinstance(threshold_ms, int | float):
        raise TypeError("threshold_ms is a number of milliseconds: log_slow(threshold_ms=100)")
    if math.isnan(threshold_ms) or threshold_ms < 0:
        raise ValueError("threshold_ms is a number of milliseconds, at least 0: log_slow(threshold_ms=100)")
    if not isinstance(logger, str | logging.Logger):
        raise TypeError('logger is a name or a logging.Logger: log_slow(logger="perfkit.slow")')
    if isinstance(level, bool) or not isinstance(level, int):
        raise TypeError("level is one of logging's numbers: log_slow(level=logging.INFO)")


def _activate(log: SlowLog | None) -> None:
    """Let this log, and no other, hear of statements; listen only while there is one."""
    global _active
    former, _active = _active, log
    if former is not None:
        former._end()
    if former is None and log is not None:
        for name, function in _LISTENERS:
            event.listen(Engine, name, function)
    elif former is not None and log is None:
        for name, function in _LISTENERS:
            event.remove(Engine, name, function)


def _before(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    try:
        setattr(context, _START, perf_counter())
    except Exception:
        return  # a context that takes no attribute: the statement is not timed, and not disturbed


def _after(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    try:
        duration_ms = _duration_ms(context)
        log = _active
        if duration_ms is None or log is None or not log._is_slow(duration_ms):
            return
        if connection.get_execution_options().get(INTERNAL_OPTION):
            return
        text = _shape_source(context, statement)
        ended = _Statement(text, connection.dialect.name, duration_ms, _rows(cursor), context)
        log._write(ended, sys._getframe(1))
    except Exception:
        return  # whatever fails in the log or in a handler is not the program's


def _failed(failure: Any) -> None:
    try:
        context, log = failure.execution_context, _active
        duration_ms = _duration_ms(context)
        if duration_ms is None or log is None or not log._is_slow(duration_ms):
            return
        outcome = f"failed with {type(failure.original_exception).__name__}"
        text = _shape_source(context, failure.statement or "")
        log._write(_Statement(text, failure.dialect.name, duration_ms, outcome, context), sys._getframe(1))
    except Exception:
        return  # the program is to see its own error, not one of the log


_LISTENERS: tuple[tuple[str, Any], ...] = (
    ("before_cursor_execute", _before),
    ("after_cursor_execute", _after),
    ("handle_error", _failed),
)


def _duration_ms(context: Any) -> float | None:
    """Time since the statement was sent; `None` for one that has ended already or was never timed."""
    start: float | None = getattr(context, _START, None)
    if start is None:
        return None
    setattr(context, _START, None)
    return (perf_counter() - start) * 1000


def _shape_source(context: Any, statement: str) -> str:
    compiled = getattr(context, "compiled", None)
    return statement if compiled is None else compiled.string


def _rows(cursor: Any) -> str:
    if cursor.description is None:
        return "no result"
    rows = sent_rows(cursor)
    return "rows unknown" if rows is None else counted(rows, "row")


def _is_in_handler(frame: FrameType | None) -> bool:
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        if frame.f_code is _HANDLE:
            return True
        frame = frame.f_back
    return False
