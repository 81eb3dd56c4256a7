"""What a scan read, through which index, and which of its conditions an index could answer."""

from collections.abc import Mapping
from dataclasses import replace

from perfkit.model.catalog import Index, Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import Arm, SortColumn, filter_arms
from perfkit.model.sql_names import unquoted

INDEX_SCANS = ("Index Scan", "Index Only Scan")
# An index on a column of so many values leaves one row in ten.
MIN_VALUES = 10
BITMAP_SCAN = "Bitmap Heap Scan"
# What hands on the rows of its first child one by one, in their order: a LIMIT above stops that child.
_IN_ORDER = frozenset(
    {"Limit", "LockRows", "Result", "Subquery Scan", "Gather Merge", "Nested Loop", "ProjectSet", "Unique"}
)


def number(node: PlanNode, name: str) -> float:
    """A number that the database gave under this name; 0 where it gave none."""
    return as_number(node.attributes.get(name))


def as_number(value: object) -> float:
    """A number as the database gave it; 0 for anything else."""
    return float(value) if isinstance(value, int | float) else 0.0


def over_processes(node: PlanNode, name: str) -> float:
    """A number that stands apart for the leader and for each worker, added up."""
    workers = node.attributes.get("Workers")
    parts = workers if isinstance(workers, list | tuple) else ()
    numbers = (worker.get(name) for worker in parts if isinstance(worker, Mapping))
    return number(node, name) + sum(float(value) for value in numbers if isinstance(value, int | float))


def repeats(node: PlanNode) -> float:
    """How often a node ran, where processes that shared one run count once."""
    return (node.actual_loops or 0) / max(1.0, node.share.participants)


def recheck_removed(scan: PlanNode) -> float:
    """Rows that the index or bitmap led to and that its condition refused, over all loops."""
    return number(scan, "Rows Removed by Index Recheck") * (scan.actual_loops or 0)


def rows_read(scan: PlanNode) -> float:
    """Rows that a scan looked at, over all loops and processes, whether it returned them or not."""
    return (scan.total_rows or 0.0) + (scan.total_rows_removed or 0.0) + recheck_removed(scan)


def index_scans(scan: PlanNode) -> tuple[PlanNode, ...]:
    """The nodes that read an index for a scan: itself, or what fills the bitmap of a bitmap scan."""
    if scan.node_type in INDEX_SCANS:
        return (scan,)
    if scan.node_type != BITMAP_SCAN:
        return ()
    return tuple(node for node in scan.walk() if node.node_type == "Bitmap Index Scan")


def index_of(plan: Plan, scan: PlanNode, name: str | None = None) -> Index | None:
    """The index of a scan as the catalogue has it.

    Args:
        plan: the plan of the statement.
        scan: a scan of the table.
        name: of the index, where another node than the scan reads it.

    Returns:
        The index, `None` where the catalogue was not asked.
    """
    table, wanted = plan.table_of(scan), name or scan.index_name
    return next((index for index in table.indexes if index.name == wanted), None) if table else None


def has_index_led_by(table: Table | None, columns: tuple[str, ...]) -> bool:
    """Whether a table is known to have a complete and valid B-tree that begins with these columns."""
    wanted = [column.removesuffix(" DESC") for column in columns]
    return table is not None and any(
        index.method == "btree"
        and index.is_valid
        and index.predicate is None
        and list(index.keys[: len(wanted)]) == wanted
        for index in table.indexes
    )


def condition_arms(scan: PlanNode, condition: object) -> tuple[Arm, ...]:
    """Take any condition apart as if it were the filter of a scan.

    Args:
        scan: the scan whose columns count; those of other tables are values.
        condition: as EXPLAIN writes it.

    Returns:
        One arm for each condition that AND joins.
    """
    return filter_arms(replace(scan, attributes={"Filter": condition}))


def scan_arms(scan: PlanNode) -> tuple[Arm, ...]:
    """Every condition of a scan taken apart: what its index answers, and what its filter tests after that."""
    found: list[Arm] = []
    for name in ("Index Cond", "Recheck Cond", "Filter"):
        found.extend(condition_arms(scan, scan.attributes.get(name)))
    return tuple(found)


def index_arms(scan: PlanNode) -> tuple[Arm, ...]:
    """The conditions by which a scan's indexes were searched; nothing where OR joins them."""
    if any(node.node_type == "BitmapOr" for node in scan.walk()):
        return ()
    found: list[Arm] = []
    for node in index_scans(scan):
        found.extend(condition_arms(scan, node.attributes.get("Index Cond")))
    return tuple(found)


def is_whole_index(scan: PlanNode) -> bool:
    """Whether an index was read from one end: no condition narrows it, but perhaps that of being a value."""
    if scan.node_type not in INDEX_SCANS:
        return False
    condition = scan.attributes.get("Index Cond")
    return condition is None or (str(condition).endswith(" IS NOT NULL)") and " AND " not in str(condition))


def index_order(plan: Plan, scan: PlanNode) -> tuple[SortColumn, ...]:
    """The order in which an index gives its rows, as far as it is that of plain columns.

    Nothing where the catalogue was not asked, or the index has no order.
    """
    index, table = index_of(plan, scan), plan.table_of(scan)
    if index is None or table is None or index.method != "btree":
        return ()
    names = {column.name for column in table.columns}
    columns: list[SortColumn] = []
    for key, descending in zip(index.keys, index.descending, strict=False):
        if unquoted(key) not in names:
            break
        columns.append(SortColumn(key, descending))
    return tuple(columns)


def is_filter_indexable(plan: Plan, scan: PlanNode) -> bool:
    """Whether an index on plain columns could find the rows that a scan's filter keeps.

    Where the filter also holds a condition that no such index answers, nobody knows which of them threw the
    rows away: then a column of at least ten values, compared for equality, must be there.
    """
    arms, table = filter_arms(scan), plan.table_of(scan)
    if all(arm.column for arm in arms):
        return bool(arms)
    equal = (arm.column for arm in arms if arm.kind == "equality" and arm.column)
    return table is not None and any(_values(table, name) >= MIN_VALUES for name in equal)


def _values(table: Table, name: str) -> float:
    """How many different values a column has; 0 if nobody knows."""
    column = table.column(unquoted(name))
    count = (column.distinct or 0.0) if column is not None else 0.0
    return count if count >= 0 else -count * max(0.0, table.rows)


def limit_above(plan: Plan, scan: PlanNode) -> PlanNode | None:
    """The LIMIT for which a scan gives rows in their order, with nothing between that collects them first."""
    child, parent = scan, plan.parents.get(scan.node_id)
    while parent is not None and parent.node_type in _IN_ORDER and child.parent_relationship != "Inner":
        if parent.node_type == "Limit":
            return parent
        child, parent = parent, plan.parents.get(parent.node_id)
    return None


def removed_share(scan: PlanNode) -> float:
    """The share of the rows read that a scan's filter threw away, from 0 to 1."""
    read = rows_read(scan)
    return (scan.total_rows_removed or 0.0) / read if read else 0.0


def removed_ms(scan: PlanNode) -> float:
    """What a scan took for the rows that its filter threw away."""
    return (scan.self_time_ms or 0.0) * removed_share(scan)
