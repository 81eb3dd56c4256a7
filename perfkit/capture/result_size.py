"""How many bytes a result has, from a few of its rows, where a driver holds them as they came."""

from typing import Any

from perfkit.capture.record import Record

# A smaller result is no burden, and looking at it would be felt by statements that return a row or two.
MIN_ROWS = 50
_SAMPLED_ROWS = 8
# Reading a value copies it: of very wide rows, fewer are read.
_SAMPLED_BYTES = 1_000_000


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
