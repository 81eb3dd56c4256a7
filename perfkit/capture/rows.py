"""How many rows the program really read from a result."""

import sys
from time import perf_counter
from types import FrameType
from typing import Any

from sqlalchemy.engine import cursor as _cursor

# Private, and checked on SQLAlchemy 2.0.30 to 2.1.9; where it is missing, rows read are unknown.
_DEFAULT: Any = getattr(_cursor, "_DEFAULT_FETCH", None)
_Strategy: Any = type(_DEFAULT) if _DEFAULT is not None else object


# An ORM result reads all rows and turns them into objects, also where one is all that is asked for.
_FOR_ONE = frozenset({"first", "one", "one_or_none", "scalar", "scalar_one", "scalar_one_or_none"})
_ON_THE_WAY = frozenset({"_fetchall_impl", "_raw_all_rows", "chunks", "_fetchone_impl", "_only_one_row"})
# Of fewer rows nobody is told, so the stack is not looked at.
_MANY = 100


class RowCount(_Strategy):  # type: ignore[misc]
    """SQLAlchemy's ordinary way to read a result, which counts `rows`; `None` where none were read.

    `unused` are rows that SQLAlchemy read and threw away because the program asked for one: `first()`.
    `fetch_s` is how long reading took, in seconds. SQLite runs a statement while its rows are read.
    """

    # On the class, so that making one, for every statement, sets nothing.
    rows: int | None = None
    unused = 0
    fetch_s = 0.0

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        """One row, counted."""
        start = perf_counter()
        row = _Strategy.fetchone(self, result, dbapi_cursor, hard_close)
        self.fetch_s += perf_counter() - start
        self.rows = (self.rows or 0) + (row is not None)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        """Some rows, counted."""
        start = perf_counter()
        rows = _Strategy.fetchmany(self, result, dbapi_cursor, size)
        self.fetch_s += perf_counter() - start
        self.rows = (self.rows or 0) + len(rows)
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """All rows, counted."""
        start = perf_counter()
        rows = _Strategy.fetchall(self, result, dbapi_cursor)
        self.fetch_s += perf_counter() - start
        read = len(rows)
        if read >= _MANY and _is_for_one(sys._getframe(1)):
            read, self.unused = 1, read - 1
        self.rows = (self.rows or 0) + read
        return rows


def _is_for_one(frame: FrameType | None) -> bool:
    """Whether these rows are read by `first()` or one like it; loads that it sends in turn are not."""
    while frame is not None and frame.f_code.co_name in _ON_THE_WAY:
        frame = frame.f_back
    if frame is None or frame.f_code.co_name not in _FOR_ONE:
        return False
    return frame.f_globals.get("__name__") == "sqlalchemy.engine.result"


def count_rows(context: Any) -> RowCount | None:
    """Count the rows that will be read from a statement's result.

    Args:
        context: SQLAlchemy's execution context, after the statement was executed and before it is read.

    Returns:
        A count that grows as rows are read; `None` where the result is read in another way (a server-side
        cursor, `RETURNING` of a batch). A result whose reader asks for `yield_per` keeps `rows` at `None`.
    """
    if _DEFAULT is None or getattr(context, "cursor_fetch_strategy", None) is not _DEFAULT:
        return None
    if getattr(context, "_is_server_side", False):
        return None
    count = context.cursor_fetch_strategy = RowCount()
    return count
