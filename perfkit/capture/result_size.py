"""How many bytes a result has, from a few of its rows, where a driver holds them as they came."""

from typing import Any

from perfkit.capture.record import Record

# A smaller result is no burden, and looking at it would be felt by statements that return a row or two.
MIN_ROWS = 50
_SAMPLED_ROWS = 8
# Reading a value copies it: of very wide rows, fewer are read.
_SAMPLED_BYTES = 1_000_000

# libpq's status of a result that has rows, or could have: PGRES_TUPLES_OK.
_TUPLES_OK = 2


def sent_rows(cursor: Any) -> int | None:
    """Rows that the database sent in answer to a statement.

    Args:
        cursor: the driver's, or SQLAlchemy's stand-in for an async one, before rows are read.

    Returns:
        0 where the statement returns no rows; `None` where the driver cannot tell: sqlite3, and the
        server-side cursors of others.
    """
    result = getattr(cursor, "pgresult", None)
    if result is not None and result.status == _TUPLES_OK:
        return int(result.ntuples)  # psycopg makes `description` anew each time, an object for each column
    if cursor.description is None:
        return 0
    count = cursor.rowcount
    return count if isinstance(count, int) and count >= 0 else None


def note_size(record: Record, cursor: Any) -> None:
    """Estimate the bytes of a statement's result; they stay unknown where the driver is not psycopg.

    Args:
        record: the statement, its rows known.
        cursor: the driver's cursor, or what SQLAlchemy or Django put in its place, before rows are read.
    """
    if record.rows is None or record.rows < MIN_ROWS:
        return
    # SQLAlchemy's stand-in for an async cursor holds it; Django's passes attributes on.
    result = getattr(getattr(cursor, "_cursor", cursor), "pgresult", None)
    if result is not None and result.ntuples == record.rows:
        record.returned_bytes = estimated_bytes(result)


def estimated_bytes(result: Any) -> int:
    """Rows times the mean width of up to eight of them, evenly spread, as they came over the wire.

    Args:
        result: psycopg's `PGresult`, with at least one row.
    """
    columns, rows = range(result.nfields), int(result.ntuples)
    sampled, total = 0, 0
    for row in range(0, rows, -(-rows // _SAMPLED_ROWS)):
        total += sum(len(result.get_value(row, column) or b"") for column in columns)
        sampled += 1
        if total > _SAMPLED_BYTES:
            break
    return round(total * rows / sampled)
