"""How many rows the program really read from a result."""

from typing import Any

from sqlalchemy.engine import cursor as _cursor

# Private, and checked on SQLAlchemy 2.0.30 to 2.1.9; where it is missing, rows read are unknown.
_DEFAULT: Any = getattr(_cursor, "_DEFAULT_FETCH", None)
_Strategy: Any = type(_DEFAULT) if _DEFAULT is not None else object


class RowCount:
    """Rows read so far from one result; `None` where they cannot be counted."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: int | None = None


class _CountingFetch(_Strategy):  # type: ignore[misc]
    """SQLAlchemy's ordinary way to read a result, with a counter."""

    __slots__ = ("_count",)

    def __init__(self, count: RowCount) -> None:
        self._count = count

    def _add(self, number: int) -> None:
        self._count.rows = (self._count.rows or 0) + number

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = super().fetchone(result, dbapi_cursor, hard_close)
        self._add(row is not None)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        rows = super().fetchmany(result, dbapi_cursor, size)
        self._add(len(rows))
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = super().fetchall(result, dbapi_cursor)
        self._add(len(rows))
        return rows


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
    count = RowCount()
    context.cursor_fetch_strategy = _CountingFetch(count)
    return count
