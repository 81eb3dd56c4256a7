"""Rows in the binary format of PostgreSQL's COPY, put together by numpy.

Format: https://www.postgresql.org/docs/18/sql-copy.html, "Binary Format".
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from perfkit.lab.generator import Fixed, TableData

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
CHUNK_BYTES = 4_000_000  # amortises the call, and the allocator hands the same memory out again and again

_WIDTHS = {
    "bigint": ">i8",
    "integer": ">i4",
    "smallint": ">i2",
    "real": ">f4",
    "boolean": "i1",
    "timestamptz": ">i8",
}
_POSTGRES_EPOCH_S = 946_684_800  # 2000-01-01, from which PostgreSQL counts microseconds


def _wire(column: Fixed) -> NDArray[np.generic]:
    if column.kind == "timestamptz":
        return (column.values.astype(np.int64) - _POSTGRES_EPOCH_S) * 1_000_000
    return column.values


def _prefixes(data: TableData, start: int, stop: int) -> NDArray[np.void]:
    """Field count and all columns of fixed width, one packed record a row."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for column in data.fixed:
        fields += [(f"{column.name}_bytes", ">i4"), (column.name, _WIDTHS[column.kind])]
    rows = np.empty(stop - start, np.dtype(fields))
    rows["count"] = len(data.fixed) + len(data.pooled)
    for column in data.fixed:
        rows[f"{column.name}_bytes"] = np.dtype(_WIDTHS[column.kind]).itemsize
        rows[column.name] = _wire(Fixed(column.name, column.kind, column.values[start:stop]))
    return rows


def _rows_per_chunk(data: TableData) -> int:
    row_bytes = 2.0 + sum(4 + np.dtype(_WIDTHS[column.kind]).itemsize for column in data.fixed)
    row_bytes += sum(4 + sum(map(len, column.pool)) / len(column.pool) for column in data.pooled)
    return max(1, int(CHUNK_BYTES / row_bytes))


def encode(data: TableData) -> Iterator[tuple[int, bytes]]:
    """Yield (number of rows, their bytes) for each part of a table; header and trailer are not included."""
    pools = [[len(text).to_bytes(4, "big") + text for text in column.pool] for column in data.pooled]
    width = 1 + len(pools)
    step = _rows_per_chunk(data)
    for start in range(0, data.rows, step):
        stop = min(start + step, data.rows)
        prefixes = _prefixes(data, start, stop)
        if not pools:
            yield stop - start, prefixes.tobytes()
            continue
        pieces: list[bytes] = [b""] * ((stop - start) * width)
        pieces[0::width] = prefixes.view(f"V{prefixes.itemsize}").tolist()
        for position, (column, pool) in enumerate(zip(data.pooled, pools, strict=True), start=1):
            pieces[position::width] = [pool[i] for i in column.index[start:stop].tolist()]
        yield stop - start, b"".join(pieces)
