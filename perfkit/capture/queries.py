"""Every statement that is sent during a block, from any engine, thread or task."""

from dataclasses import replace
from time import perf_counter
from typing import Any

from perfkit.capture._sqlite3_trace import Sqlite3Trace
from perfkit.capture.asyncpg_hooks import AsyncpgHooks
from perfkit.capture.django_hooks import DjangoHooks
from perfkit.capture.pool_hooks import PoolHooks
from perfkit.capture.pressure import stalled_ms_since, stalled_us
from perfkit.capture.psycopg_hooks import PsycopgHooks
from perfkit.capture.recorder import QueryLog, Recorder
from perfkit.capture.sqlalchemy_hooks import SqlalchemyHooks
from perfkit.capture.sqlite3_hooks import Sqlite3Hooks

__all__ = ["QueryCollector", "QueryLog"]


class QueryCollector:
    """Records statements between `start` and `stop`, and leaves nothing behind.

    Args:
        keep_samples: keep the first statement of each shape with its parameters, for EXPLAIN.
        keep_parameters: keep the parameter values of each statement, as text.
    """

    def __init__(self, *, keep_samples: bool = False, keep_parameters: bool = False) -> None:
        self._recorder = Recorder(keep_samples=keep_samples, keep_parameters=keep_parameters)
        self._stalled_us: int | None = None
        sqlalchemy = SqlalchemyHooks(self._recorder)
        shared = (self._recorder, sqlalchemy.at_work, sqlalchemy.framing)
        self._hooks = (
            sqlalchemy,
            PoolHooks(self._recorder),
            PsycopgHooks(*shared),
            Sqlite3Hooks(self._recorder, Sqlite3Trace(*shared)),
            AsyncpgHooks(*shared),
            DjangoHooks(self._recorder, sqlalchemy.at_work),
        )

    def start(self) -> None:
        """Begin to record."""
        self._stalled_us = stalled_us()
        self._recorder.block_start = perf_counter()
        self._recorder.look_around()
        try:
            for hooks in self._hooks:
                self._install(hooks)
        except BaseException:  # an interrupt
            self._remove()
            raise

    def stop(self, *, since: float | None = None) -> QueryLog:
        """Stop recording and take every hook and mark away.

        Args:
            since: when the block began (`time.perf_counter`); by default when `start` was called.

        Returns:
            The statements in the order in which they were sent.
        """
        stalled_ms = stalled_ms_since(self._stalled_us)
        self._remove()
        self._recorder.block_start = since or self._recorder.block_start
        return replace(self._recorder.log(), stalled_ms=stalled_ms)

    @property
    def count(self) -> int:
        """Statements of the block so far, without those of tasks and threads from before it."""
        return self._recorder.count

    def log(self) -> QueryLog:
        """What was recorded so far; `stop` returns the same once the block is over."""
        return self._recorder.log()

    def _install(self, hooks: Any) -> None:
        """Install one library's hooks. A version of it that we cannot watch must not stop the block."""
        try:
            hooks.install()
        except Exception as error:
            hooks.remove()
            name = type(hooks).__name__.removesuffix("Hooks")
            self._recorder.note(f"{name} was not watched ({type(error).__name__} in perfkit).")

    def _remove(self) -> None:
        """Remove all hooks and marks; if one cannot be removed, the others still are."""
        for hooks in reversed(self._hooks):
            try:
                hooks.remove()
            except Exception as error:
                name = type(hooks).__name__.removesuffix("Hooks")
                self._recorder.note(f"{name} could not be released ({type(error).__name__} in perfkit).")
        self._recorder.forget()
