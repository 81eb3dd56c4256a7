"""Totals of the statements that a very large block sends after those that are kept one by one."""

from dataclasses import dataclass

from perfkit.capture.fingerprint import fingerprint, operation_name, shape_id
from perfkit.capture.loops import LoopFinder
from perfkit.capture.places import Places
from perfkit.capture.positions import Instruction
from perfkit.capture.record import Record
from perfkit.model.query import QueryTotals

Key = tuple[str, Instruction | None, Instruction | None, str | None, bool]


@dataclass(slots=True)
class _Totals:
    """What is added up for one shape from one line, while the block runs."""

    system_name: str
    count: int = 0
    total_s: float = 0.0
    rows: int | None = 0
    failed: int = 0


class Overflow:
    """Adds statements up by shape, line and loop, and forgets them."""

    def __init__(self) -> None:
        self._totals: dict[Key, _Totals] = {}
        self.count = 0

    def add(self, record: Record, loops: LoopFinder) -> None:
        """Take one statement that has ended."""
        loop = loops.instruction(loops.loop_of(record.serial, record.position.loop_id))
        place = (record.position.call, loop)
        key = (record.shape_source, *place, record.load.relationship, record.is_background)
        totals = self._totals.get(key)
        if totals is None:
            totals = self._totals[key] = _Totals(record.system_name)
        totals.count += 1
        totals.total_s += record.end - record.start + record.read_s
        totals.failed += record.error_type is not None
        rows = record.sent_rows
        totals.rows = None if rows is None or totals.rows is None else totals.rows + rows
        self.count += 1

    def finished(self, places: Places, *, background: bool = False) -> tuple[QueryTotals, ...]:
        """The totals for the trace: the block's own, or those of others who were at work before it."""
        return tuple(
            _finished(key, totals, places) for key, totals in self._totals.items() if key[-1] is background
        )


def _finished(key: Key, totals: _Totals, places: Places) -> QueryTotals:
    shape_source, call, loop, relationship, _ = key
    text = fingerprint(shape_source, totals.system_name)
    return QueryTotals(
        query_text=text,
        fingerprint=shape_id(text),
        operation_name=operation_name(text),
        count=totals.count,
        total_ms=totals.total_s * 1000,
        returned_rows=totals.rows,
        failed=totals.failed,
        call_site=places.line(call),
        loop_site=places.loop(loop),
        relationship=relationship,
    )
