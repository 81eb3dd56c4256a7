"""Which indexes are worth trying for the slow scans of a plan, and which are not and why."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from perfkit.model.catalog import Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_savings import MIN_SAVING_MS, MIN_SAVING_SHARE
from perfkit.model.plan_shape import sort_above
from perfkit.model.sql_names import quoted
from perfkit.proof import _what_if_reasons as reasons
from perfkit.proof._what_if_conditions import join_columns, literals, named_columns
from perfkit.proof._what_if_designs import IndexDesign, Key, unquoted
from perfkit.proof._what_if_wanted import Wanted, design_for, wanted_of

MAX_DESIGNS = 6
MAX_SCANS = 2
MAX_INCLUDED, MAX_INCLUDED_BYTES = 3, 32
# With fewer rows an index-only scan saves nothing that can be measured.
_MIN_ROWS_FOR_INCLUDE = 100
# A constant of a column with more values than a status or a flag has is one example of many.
MAX_PARTIAL_VALUES = 50
_SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")
_JOIN_CONDITIONS = ("Hash Cond", "Merge Cond", "Join Filter")


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


def index_designs(
    plan: Plan, table_of: Callable[[PlanNode], Table | None], *, trigrams: str | None = None
) -> list[IndexDesign]:
    """Everything worth trying for a plan's slow scans, the most promising of each scan first.

    Args:
        plan: with times.
        table_of: looks a scan's table up in the catalogue.
        trigrams: the schema of the extension `pg_trgm`, `None` where it is not installed.

    Returns:
        Designs without repetition; those with a `rejection` are not to be tried.
    """
    found: dict[str, IndexDesign] = {}
    scans = [(scan, table) for scan in slow_scans(plan) if (table := table_of(scan)) is not None]
    room = MAX_DESIGNS // max(1, len(scans))
    for scan, table in scans:
        wanted = wanted_of(plan, scan, table, trigrams)
        unfit = reasons.unfit(wanted)
        designs = list(_designs(wanted))
        if unfit:
            designs = [replace(design, rejection=unfit) for design in designs[:1]]
        judged = [reasons.judged(wanted, design) for design in designs]
        tried = [design for design in judged if design.rejection is None][:room]
        rejected = [
            *(item for item in judged if item.rejection),
            *([] if unfit else reasons.hopeless(wanted)),
        ]
        found |= {design.what: design for design in [*tried, *rejected] if design.what not in found}
    return list(found.values())


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
        yield design_for(wanted, main, len(equal))
    for key in wanted.inside:
        yield design_for(wanted, (key,), 0, method="gin")
    if order and ranges and equal:
        yield design_for(wanted, (*equal, *ranges[:1]), len(equal))
    yield from _partial(wanted)
    yield from _covering(wanted, main)
    if order and (ranges or equal):
        yield design_for(wanted, (*equal, *order) if ranges else equal, len(equal))
    for key in ranges[1:]:
        yield design_for(wanted, (*equal, key), len(equal))
    joined = tuple(Key(column) for column in _joined(wanted))
    if joined:
        yield design_for(wanted, tuple(dict.fromkeys((*joined, *equal))), len(joined) + len(equal))


def _partial(wanted: Wanted) -> Iterator[IndexDesign]:
    """Only the rows that a constant of the statement's text selects."""
    known = literals(wanted.plan.query_text, wanted.scan)
    for key in wanted.equal:
        predicate = None if key.is_expression else known.get(key.text)
        if predicate is None or not _is_fixed(wanted, key):
            continue
        rest = tuple(other for other in wanted.equal if other != key)
        keys = (*rest, *wanted.order) or (*rest, *wanted.ranges[:1]) or (key,)
        yield design_for(wanted, keys, len(rest), predicate=predicate)


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
        yield design_for(wanted, keys, len(wanted.equal), include=tuple(map(quoted, more)))


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
