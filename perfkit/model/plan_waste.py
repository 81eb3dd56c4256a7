"""Scans that read many rows to keep few, as the rules about conditions look at them."""

from collections.abc import Iterator
from dataclasses import dataclass

from perfkit.model.catalog import Column, Index, Table
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_predicates import Predicate, bare, predicates
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.sql_names import unquoted
from perfkit.model.trace import Trace

__all__ = ["WastefulScan", "has_pattern_index", "has_trigram_index", "index_led_by", "wasteful_scans"]

# depesz starts to colour at 10 % of the time (reference notes on EXPLAIN, rule 1).
_MIN_TIME_SHARE = 0.1
_SCANS = frozenset({"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"})
# An index on a plain column with so many different values leaves one row in ten: it is the first remedy.
_MIN_DISTINCT = 10
_PATTERN_OPCLASSES = ("text_pattern_ops", "varchar_pattern_ops", "bpchar_pattern_ops")
_TRIGRAM_OPCLASSES = ("gin_trgm_ops", "gist_trgm_ops")


@dataclass(frozen=True, slots=True)
class WastefulScan:
    """A scan whose filter throws away nearly all that it reads.

    `number` is the plan's in the trace, `saving_ms` what one execution would save without the rows that
    are thrown away.
    """

    number: int
    plan: Plan
    node: PlanNode
    saving_ms: float

    @property
    def rows_read(self) -> float:
        """Rows that reached the filter, over all loops and processes."""
        return self.rows_removed + self.rows_kept

    @property
    def rows_kept(self) -> float:
        """Rows that it returned, over all loops and processes."""
        return self.node.total_rows or 0.0

    @property
    def rows_removed(self) -> float:
        """Rows that the filter threw away, over all loops and processes."""
        return self.node.total_rows_removed or 0.0

    @property
    def shown_read(self) -> str:
        """The rows that reached the filter, in words."""
        return about(self.node, self.rows_read)

    @property
    def shown_kept(self) -> str:
        """The rows that it returned, in words."""
        return about(self.node, self.rows_kept)

    @property
    def table(self) -> Table | None:
        """What the catalogue says of the table, where it was asked."""
        return self.plan.table_of(self.node)

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """The conditions of the filter."""
        return predicates(self.node)

    @property
    def evidence(self) -> tuple[str, ...]:
        """The filter, and what the scan took."""
        return (
            f"Filter: {self.node.attributes.get('Filter')}",
            f"{self.shown_read.capitalize()} rows were read to keep {self.shown_kept}; the scan itself took "
            f"{self.node.self_time_ms or 0.0:,.1f} ms of {self.plan.duration_ms or 0.0:,.1f} ms.",
        )

    @property
    def has_plain_remedy(self) -> bool:
        """Whether the filter also compares a plain column of many values for equality.

        Then an index on that column is the first thing to try, and what the other conditions do to their
        columns matters little. A column of which nobody knows the values counts as one of many; NULL and a
        condition that is a boolean column itself do not, since `deleted_at IS NULL` leaves most rows.
        """
        for predicate in self.predicates:
            column = predicate.column if predicate.operator == "=" else None
            if not column or (predicate.kind != "plain" and not self.may_be_text(column)):
                continue
            known = self.table.distinct_count(unquoted(column)) if self.table else None
            if known is None or known >= _MIN_DISTINCT:
                return True
        return False

    def column(self, name: str) -> Column | None:
        """What the catalogue says of a column, `None` where it was not asked."""
        return self.table.column(unquoted(name)) if self.table else None

    def may_be_text(self, column: str) -> bool:
        """Whether a cast of this column to text changes nothing, as far as is known."""
        known = self.column(column)
        return known is None or known.is_text

    def key_of(self, predicate: Predicate) -> str:
        """What an index for a predicate is made of: the column, where it is one in truth."""
        column = predicate.column
        is_cast = predicate.type_name != ""
        return column if column and (not is_cast or self.may_be_text(column)) else predicate.index_key

    def index_on(self, column: str) -> str:
        """The statement that makes an index on a plain column, or a remark that names the one there is."""
        existing = index_led_by(self.table, column)
        if existing is not None:
            return f"-- The index {existing.name} can serve this."
        return f"CREATE INDEX ON {relation(self.node)} ({column});"

    def saving_in(self, trace: Trace) -> float:
        """What all executions in the block would save, in milliseconds."""
        return saving_in_block(self.saving_ms, self.plan, trace)


def wasteful_scans(
    trace: Trace, *, min_removed_share: float, min_removed_rows: float
) -> Iterator[WastefulScan]:
    """Find scans that keep few of the rows they read, and for which that costs time.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.

    Returns:
        Scans that take a tenth of the execution. A LIMIT above is no excuse: what counts is how much was read
        before it had its rows.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for node in plan.nodes():
            removed, own_ms = node.total_rows_removed or 0.0, node.self_time_ms or 0.0
            if node.node_type not in _SCANS or removed < max(1.0, min_removed_rows):
                continue
            share = removed / (removed + (node.total_rows or 0.0))
            if share < min_removed_share or own_ms < _MIN_TIME_SHARE * duration_ms:
                continue
            if is_worth_a_line(own_ms * share, duration_ms):
                yield WastefulScan(number, plan, node, own_ms * share)


def index_led_by(table: Table | None, expression: str, *opclasses: str) -> Index | None:
    """A usable index over all rows whose first key this is.

    Args:
        table: what the catalogue says; nothing is found where it was not asked.
        expression: as the database writes it, such as `lower(email)`.
        *opclasses: operator classes that the first key must have one of; any without.

    Returns:
        The index, `None` where there is no such.
    """
    for index in table.indexes if table else ():
        is_first = bool(index.keys) and bare(index.keys[0]) == bare(expression)
        has_class = not opclasses or (bool(index.opclasses) and index.opclasses[0] in opclasses)
        if index.is_valid and index.predicate is None and is_first and has_class:
            return index
    return None


def has_pattern_index(scan: WastefulScan, predicate: Predicate) -> bool:
    """Whether an index is there that serves a pattern which begins with letters."""
    key = scan.key_of(predicate)
    column = scan.column(key)
    is_by_letters = column is not None and column.collation in ("C", "POSIX")
    return index_led_by(scan.table, key, *(() if is_by_letters else _PATTERN_OPCLASSES)) is not None


def has_trigram_index(scan: WastefulScan, predicate: Predicate) -> bool:
    """Whether an index is there that serves a pattern which begins with anything."""
    return index_led_by(scan.table, scan.key_of(predicate), *_TRIGRAM_OPCLASSES) is not None
