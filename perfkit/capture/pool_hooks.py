"""Loans of SQLAlchemy's pools: asked for, waited for, opened, given back."""

import functools
import sys
from contextvars import ContextVar
from time import perf_counter
from types import FrameType
from typing import Any

from sqlalchemy import event
from sqlalchemy.pool import Pool, SingletonThreadPool

from perfkit.capture.dialects import DialectPatches
from perfkit.capture.loans import Loan
from perfkit.capture.patches import Function, Patches, leave_no_trace
from perfkit.capture.recorder import Recorder

# The requests that this thread or task waits for. SQLAlchemy's greenlets share their caller's context.
_asking: ContextVar[tuple[tuple["PoolHooks", Loan], ...]] = ContextVar("perfkit_asking", default=())

# `contextlib` stands between a driver's transaction block and the code that enters it.
_DRIVERS = ("perfkit", "psycopg", "asyncpg", "sqlite3", "aiosqlite", "contextlib")


def is_pool_at_work(frame: FrameType) -> bool:
    """Whether SQLAlchemy sends a statement of its own because a pool opens or checks a connection.

    Args:
        frame: the caller of the driver.

    Returns:
        True for what SQLAlchemy asks a new connection, and for pre-pings: they are part of the wait for a
        connection. What the user's own listeners send then is the user's.
    """
    return bool(_asking.get()) and caller_package(frame) == "sqlalchemy"


def caller_package(frame: FrameType) -> str:
    """The package of the code that called into a driver."""
    caller: FrameType | None = frame
    while caller is not None and _package(caller) in _DRIVERS:
        caller = caller.f_back
    return _package(caller) if caller is not None else ""


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


class PoolHooks:
    """Reports loans to a recorder, between `install` and `remove`.

    When a pool is asked, and when it begins to connect, is told by no event of SQLAlchemy's that costs
    other statements nothing, so these methods are wrapped; all else comes from a pool's events. A loan that
    began before the block is not reported.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._is_active = False
        self._patches = Patches()
        self._dialects = DialectPatches()
        self._out: dict[int, Loan] = {}
        self._listeners: list[tuple[Any, str, Any]] = []

    def install(self) -> None:
        """Listen on the classes: that reaches every pool, those of async engines included."""
        self._is_active = True
        self._listen(Pool, "connect", self._connected)
        self._listen(Pool, "checkout", self._lent)
        self._listen(Pool, "checkin", self._returned)
        self._listen(Pool, "detach", self._returned)
        for owner in (Pool, SingletonThreadPool):
            self._patches.replace(owner, "connect", self._wrap)
        self._dialects.install({"connect": self._connecting})

    def remove(self) -> None:
        """Take listeners and wrappers away."""
        self._is_active = False
        self._patches.restore()
        self._dialects.restore()
        while self._listeners:
            event.remove(*self._listeners.pop())
        self._out.clear()

    def _listen(self, owner: Any, name: str, function: Any) -> None:
        event.listen(owner, name, function)
        self._listeners.append((owner, name, function))

    def _wrap(self, original: Function) -> Function:
        @functools.wraps(original)
        def connect(pool: Any) -> Any:
            loan = self._asked(pool, sys._getframe(1)) if self._is_active else None
            if loan is None:
                return original(pool)
            token = _asking.set((*_asking.get(), (self, loan)))
            try:
                lent = original(pool)
            except BaseException as error:
                loan.refused = perf_counter()
                loan.error_type = type(error).__name__
                leave_no_trace(error)
                raise
            finally:
                _asking.reset(token)
            loan.acquired = perf_counter()
            loan.is_lent_again = loan.connection_id == 0
            return lent

        return connect

    def _asked(self, pool: Any, frame: FrameType) -> Loan | None:
        try:
            return self._recorder.ask(pool, frame)
        except Exception as error:
            self._recorder.note(f"Some loans of pools were not seen ({type(error).__name__} in perfkit).")
            return None

    def _own(self) -> Loan | None:
        """The innermost request of this thread or task that this block watches."""
        for hooks, loan in reversed(_asking.get()):
            if hooks is self:
                return loan
        return None

    def _connecting(self, original: Function) -> Function:
        @functools.wraps(original)
        def connect(dialect: Any, *args: Any, **options: Any) -> Any:
            loan = self._own()
            if loan is not None and loan.connect_start is None:
                loan.connect_start = perf_counter()
            try:
                return original(dialect, *args, **options)
            except BaseException as error:
                leave_no_trace(error)
                raise

        return connect

    def _connected(self, dbapi_connection: Any, record: Any) -> None:
        self._recorder.new_connection(_driver_connection(dbapi_connection))
        loan = self._own()
        if loan is not None and loan.connect_start is not None:
            loan.connect_ms = (perf_counter() - loan.connect_start) * 1000

    def _lent(self, dbapi_connection: Any, record: Any, proxy: Any) -> None:
        loan = self._own()
        if loan is not None:
            loan.connection_id = self._recorder.connection_number(_driver_connection(dbapi_connection))
            self._out[id(record)] = loan

    def _returned(self, dbapi_connection: Any, record: Any) -> None:
        loan = self._out.pop(id(record), None)
        if loan is not None:
            loan.released = perf_counter()


def _driver_connection(dbapi_connection: Any) -> Any:
    """The driver's connection, by which statements are numbered; SQLAlchemy wraps those of async drivers."""
    return getattr(dbapi_connection, "driver_connection", dbapi_connection)
