"""Which indexes are worth trying for the slow scans of a plan, and which are not and why."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from perfkit.model.catalog import Index, Table
from perfkit.model.index_candidate import MAX_COLUMNS, SORT_SHARE
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import SortColumn, sort_columns
from perfkit.model.plan_savings import MIN_SAVING_MS, MIN_SAVING_SHARE
from perfkit.model.plan_shape import is_limited, sort_above
from perfkit.model.sql_names import quoted
from perfkit.proof._what_if_conditions import (
    Expression,
    asked_order,
    column_arms,
    expressions,
    join_columns,
    literals,
    named_columns,
)
from perfkit.proof._what_if_designs import IndexDesign, Key, existing, index_design, unquoted

MAX_DESIGNS = 6
MAX_SCANS = 2
# Below that, reading the whole table is as fast (reference notes on EXPLAIN, section 5: reject).
MIN_ROWS = 1000
MAX_INCLUDED, MAX_INCLUDED_BYTES = 3, 32
# With fewer rows an index-only scan saves nothing that can be measured.
_MIN_ROWS_FOR_INCLUDE = 100
# A constant of a column with more values than a status or a flag has is one example of many.
MAX_PARTIAL_VALUES = 50
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_JOIN_CONDITIONS = ("Hash Cond", "Merge Cond", "Join Filter")
_KINDS = {"f": "a foreign table", "p": "a partitioned table"}


@dataclass(frozen=True)
class Wanted:
    """What a statement asks of one scan: keys for an index, by their use."""

    plan: Plan
    scan: PlanNode
    table: Table
    equal: tuple[Key, ...]
    order: tuple[Key, ...]
    ranges: tuple[Key, ...]
    expressions: tuple[Expression, ...]
    nodes: tuple[int, ...]


def slow_scans(plan: Plan) -> list[PlanNode]:
    """The scans whose time, with the sort of their rows, is worth an index; slowest first."""
    least = max(MIN_SAVING_MS, MIN_SAVING_SHARE * (plan.duration_ms or 0.0))
    found = [
        (_stake_ms(plan, node), node)
        for node in plan.nodes()
        if node.node_type in _SCANS and node.relation_name and node.executed
    ]
    ranked = sorted(found, key=lambda item: -item[0])
    return [node for stake_ms, node in ranked if stake_ms >= least][:MAX_SCANS]


def _stake_ms(plan: Plan, scan: PlanNode) -> float:
    sort = sort_above(plan, scan)
    return (scan.self_time_ms or 0.0) + (sort.self_time_ms or 0.0 if sort else 0.0)


def index_designs(plan: Plan, table_of: Callable[[PlanNode], Table | None]) -> list[IndexDesign]:
    """Everything worth trying for a plan's slow scans, the most promising of each scan first.

    Args:
        plan: with times.
        table_of: looks a scan's table up in the catalogue.

    Returns:
        Designs without repetition; those with a `rejection` are not to be tried.
    """
    found: dict[str, IndexDesign] = {}
    scans = [(scan, table) for scan in slow_scans(plan) if (table := table_of(scan)) is not None]
    room = MAX_DESIGNS // max(1, len(scans))
    for scan, table in scans:
        wanted = _wanted(plan, scan, table)
        unfit = _unfit(wanted)
        designs = list(_designs(wanted))
        if unfit:
            designs = [replace(design, rejection=unfit) for design in designs[:1]]
        judged = [_judged(wanted, design) for design in designs]
        tried = [design for design in judged if design.rejection is None][:room]
        rejected = [*(item for item in judged if item.rejection), *([] if unfit else _hopeless(wanted))]
        found |= {design.what: design for design in [*tried, *rejected] if design.what not in found}
    return list(found.values())


def _wanted(plan: Plan, scan: PlanNode, table: Table) -> Wanted:
    arms = column_arms(scan, *_CONDITIONS)
    known = expressions(scan)
    equal = [Key(arm.column) for arm in arms if arm.kind == "equality" and arm.column]
    equal += [Key(item.text, is_expression=True) for item in known if item.kind == "equality"]
    ranges = [Key(arm.column) for arm in arms if arm.kind == "range" and arm.column]
    ranges += [Key(item.text, opclass="text_pattern_ops") for item in known if item.kind == "prefix"]
    ranges += [Key(item.text, is_expression=True) for item in known if item.kind == "range"]
    texts = {key.text for key in equal}
    keys, nodes = _order(plan, scan, table)
    return Wanted(
        plan,
        scan,
        table,
        tuple(dict.fromkeys(equal)),
        tuple(key for key in keys if key.text not in texts),
        tuple(dict.fromkeys(key for key in ranges if key.text not in texts)),
        known,
        nodes,
    )


def _order(plan: Plan, scan: PlanNode, table: Table) -> tuple[tuple[Key, ...], tuple[int, ...]]:
    """The order that the rows are wanted in, where an index in this order could save something."""
    sort = sort_above(plan, scan)
    if sort is not None:
        costly = (sort.self_time_ms or 0.0) >= SORT_SHARE * (plan.duration_ms or 0.0)
        if costly or is_limited(plan, sort):
            return _directed(sort_columns(sort, scan)), (scan.node_id, sort.node_id)
    above = plan.parents.get(scan.node_id)
    if above is not None and above.node_type == "Limit":
        return _directed(asked_order(plan.query_text, tuple(table.widths))), (scan.node_id,)
    return (), (scan.node_id,)


def _directed(columns: Sequence[SortColumn]) -> tuple[Key, ...]:
    """An index is read backwards where all keys descend, so only mixed directions are written down."""
    mixed = len({(item.descending, item.nulls) for item in columns}) > 1 or any(c.nulls for c in columns)
    return tuple(Key(c.column, c.descending, c.nulls) if mixed else Key(c.column) for c in columns)


def _designs(wanted: Wanted) -> Iterator[IndexDesign]:
    """Equality, sort, range; equality, range; without one of them; partial; for a join; covering.

    A range before the sort order wins where it is very selective, so both orders are tried (reference
    notes on EXPLAIN, section 5).
    """
    equal, order, ranges = wanted.equal, wanted.order, wanted.ranges
    names = {key.text for key in order}
    after = tuple(key for key in ranges if key.text not in names)[:1]
    main = (*equal, *order, *after) if order else (*equal, *ranges[:1])
    if main:
        yield _design(wanted, main, len(equal))
    if order and ranges and equal:
        yield _design(wanted, (*equal, *ranges[:1]), len(equal))
    yield from _partial(wanted)
    yield from _covering(wanted, main)
    if order and (ranges or equal):
        yield _design(wanted, (*equal, *order) if ranges else equal, len(equal))
    for key in ranges[1:]:
        yield _design(wanted, (*equal, key), len(equal))
    joined = tuple(Key(column) for column in _joined(wanted))
    if joined:
        yield _design(wanted, tuple(dict.fromkeys((*joined, *equal))), len(joined) + len(equal))


def _design(
    wanted: Wanted,
    keys: Sequence[Key],
    equal: int,
    include: tuple[str, ...] = (),
    predicate: str | None = None,
) -> IndexDesign:
    columns = [name for item in wanted.expressions for name in item.columns]
    return index_design(
        wanted.scan,
        wanted.table,
        tuple(keys)[:MAX_COLUMNS],
        equal=min(equal, MAX_COLUMNS),
        nodes=wanted.nodes,
        include=include,
        predicate=predicate,
        expression_columns=tuple(dict.fromkeys(columns)),
    )


def _partial(wanted: Wanted) -> Iterator[IndexDesign]:
    """Only the rows that a constant of the statement's text selects."""
    known = literals(wanted.plan.query_text, wanted.scan)
    for key in wanted.equal:
        predicate = None if key.is_expression else known.get(key.text)
        if predicate is None or not _is_fixed(wanted, key):
            continue
        rest = tuple(other for other in wanted.equal if other != key)
        keys = (*rest, *wanted.order) or (*rest, *wanted.ranges[:1]) or (key,)
        yield _design(wanted, keys, len(rest), predicate=predicate)


def _is_fixed(wanted: Wanted, key: Key) -> bool:
    distinct = wanted.table.distinct.get(unquoted(key.text))
    return distinct is not None and distinct <= MAX_PARTIAL_VALUES


def _covering(wanted: Wanted, keys: Sequence[Key]) -> Iterator[IndexDesign]:
    """With the few narrow columns that the statement also reads, the table need not be read at all."""
    if not keys or (wanted.scan.total_rows or 0) < _MIN_ROWS_FOR_INCLUDE:
        return
    named = named_columns(wanted.plan.query_text, tuple(wanted.table.widths))
    have = {unquoted(key.text) for key in keys}
    more = [name for name in named or () if name not in have]
    narrow = all(wanted.table.widths[name] <= MAX_INCLUDED_BYTES for name in more)
    if 0 < len(more) <= MAX_INCLUDED and narrow and not any(key.is_expression for key in keys):
        yield _design(wanted, keys, len(wanted.equal), include=tuple(map(quoted, more)))


def _joined(wanted: Wanted) -> tuple[str, ...]:
    """Columns of the nearest join above, by which this scan could be looked up row by row."""
    parent = wanted.plan.parents.get(wanted.scan.node_id)
    while parent is not None and parent.node_type != "Limit":
        for name in _JOIN_CONDITIONS:
            columns = join_columns(wanted.scan, parent.attributes.get(name))
            if columns:
                return columns
        parent = wanted.plan.parents.get(parent.node_id)
    return ()


def _unfit(wanted: Wanted) -> str | None:
    table, scan = wanted.table, wanted.scan
    if table.kind in _KINDS:
        return f"{table.name} is {_KINDS[table.kind]}; perfkit does not try indexes on those."
    if table.is_partition:
        return f"{table.name} is a partition: its index belongs to the whole table, which is not tried."
    rows = table.rows if table.rows >= 0 else (scan.total_rows or 0) + (scan.total_rows_removed or 0)
    if rows < MIN_ROWS:
        return f"The table has {rows:,.0f} rows; below {MIN_ROWS:,} reading all of them is as fast."
    return None


def _judged(wanted: Wanted, design: IndexDesign) -> IndexDesign:
    index = existing(design)
    if index is None or design.rejection:
        return design
    return replace(design, rejection=_why_unused(wanted, index))


def _why_unused(wanted: Wanted, index: Index) -> str:
    if any(node.index_name == index.name for node in wanted.scan.walk()):
        return f"{index.name} exists and is what the plan uses already."
    if not index.is_valid:
        return (
            f"{index.name} exists but is not used because it is not valid: its CREATE INDEX CONCURRENTLY "
            "failed. Drop it and make it again."
        )
    off = [
        name for name in ("enable_indexscan", "enable_bitmapscan") if wanted.plan.settings.get(name) == "off"
    ]
    if off:
        return f"{index.name} exists but is not used because the session has {' and '.join(off)} off."
    rows = f"{wanted.scan.total_rows or 0:,.0f} of {max(wanted.table.rows, 0):,.0f} rows are wanted"
    return (
        f"{index.name} exists but is not used because the planner expects another way to be cheaper: {rows}."
    )


def _hopeless(wanted: Wanted) -> Iterator[IndexDesign]:
    """Conditions that look as if an index could answer them."""
    for item in wanted.expressions:
        if item.kind == "cast":
            yield replace(_on(wanted, item.columns[0]), rejection=_cast_words(wanted, item))
        elif item.kind == "infix":
            words = (
                "The pattern may begin anywhere or in any case, which a b-tree cannot answer: "
                "it needs the extension pg_trgm, or a full-text search."
            )
            yield replace(_on(wanted, item.columns[0]), rejection=words)


def _on(wanted: Wanted, column: str) -> IndexDesign:
    return _design(wanted, (Key(quoted(column)),), 1)


def _cast_words(wanted: Wanted, item: Expression) -> str:
    column = item.columns[0]
    first = {unquoted(index.keys[0]): index.name for index in wanted.table.indexes if index.keys}
    subject = f"{first[column]} exists but is not used" if column in first else "An index would not be used"
    return (
        f"{subject} because the statement compares {column} as {item.text}: give the value in the type of "
        "the column."
    )
