"""How many sets of parameters one `executemany` sends."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from perfkit.capture.record import Record


def counted(sets: Any, records: Sequence[Record]) -> Any:
    """Learn the batch size of a statement.

    Args:
        sets: its sets of parameters.
        records: what it is recorded in.

    Returns:
        The sets; an iterator of sets comes back as one that counts them while the driver reads it.
    """
    if type(sets) in (list, tuple):
        for record in records:
            record.batch_size = len(sets)
        return sets
    return _counting(sets, records)


def _counting(sets: Iterable[Any], records: Sequence[Record]) -> Iterator[Any]:
    for record in records:
        record.batch_size = 0
    for parameters in sets:
        for record in records:
            record.batch_size += 1
        yield parameters
