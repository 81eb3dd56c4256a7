"""Every test, whatever it does, leaves nothing of perfkit behind in the process."""

import signal
import sqlite3
import sys
import threading

import psycopg
import pytest
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import Pool, SingletonThreadPool

# One PostgreSQL for all tests that need no shop.
pytest_plugins = ["mariadb_server", "plan_server", "postgresql_clusters"]

EVENTS = {
    Engine: ("before_cursor_execute", "after_cursor_execute", "begin", "commit", "rollback"),
    Dialect: ("handle_error", "do_connect"),
    Pool: ("connect", "checkout", "checkin", "detach"),
}
# A handler that stays would swallow the signals that later tests send.
SIGNALS = (signal.SIGINT, signal.SIGTERM)
WRAPPED = (
    Pool, SingletonThreadPool, psycopg.Connection, psycopg.AsyncConnection, psycopg.Cursor,
    psycopg.ServerCursor, psycopg.AsyncCursor, psycopg.AsyncServerCursor, psycopg.Transaction,
    psycopg.AsyncTransaction, sqlite3,
)  # fmt: skip


def pytest_configure() -> None:
    """Let interrupts through: a script's shell starts what is in its background with them ignored.

    So would be those that tests send to themselves, and to the programs they start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def leftovers() -> dict[str, object]:
    """What perfkit could have left in this process."""
    monitoring = getattr(sys, "monitoring", None)
    return {
        "listeners": [_listeners(owner, name) for owner, names in EVENTS.items() for name in names],
        "methods": [dict(vars(owner)) for owner in WRAPPED],
        "threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("perfkit")),
        "profiler": sys.getprofile(),
        "signals": [signal.getsignal(number) for number in SIGNALS],
        "tools": [monitoring.get_tool(i) for i in range(6)] if monitoring else [],
        "timer": _profiling_timer(),
    }


def _profiling_timer() -> tuple[object, bool, float]:
    """Who gets the kernel's profiling signal, whether one is due, and how often one comes."""
    if sys.platform == "win32":
        return None, False, 0.0
    left_s, interval_s = signal.getitimer(signal.ITIMER_PROF)
    return signal.getsignal(signal.SIGPROF), left_s > 0, interval_s


def _listeners(cls: type, event: str) -> int:
    """Class-level listeners; SQLAlchemy keeps no public count of them."""
    return len(getattr(cls.dispatch, event)._clslevel.get(cls, ()))


@pytest.fixture(autouse=True)
def _nothing_stays_behind():
    before = leftovers()
    yield
    assert leftovers() == before
