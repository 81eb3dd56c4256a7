"""What a statement asks of one scan, as keys of an index."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.catalog import Table
from perfkit.model.index_candidate import MAX_COLUMNS, SORT_SHARE
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import SortColumn, sort_columns
from perfkit.model.plan_shape import is_limited, sort_above
from perfkit.proof._what_if_conditions import Expression, asked_order, column_arms, expressions
from perfkit.proof._what_if_designs import IndexDesign, Key, index_design
from perfkit.proof._what_if_gin import gin_keys

_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")


@dataclass(frozen=True)
class Wanted:
    """What a statement asks of one scan: keys for an index, by their use.

    `inside` are those that a GIN index could hold, `trigrams` is the schema of the extension pg_trgm.
    """

    plan: Plan
    scan: PlanNode
    table: Table
    equal: tuple[Key, ...]
    order: tuple[Key, ...]
    ranges: tuple[Key, ...]
    expressions: tuple[Expression, ...]
    nodes: tuple[int, ...]
    inside: tuple[Key, ...] = ()
    trigrams: str | None = None


def wanted_of(plan: Plan, scan: PlanNode, table: Table, trigrams: str | None = None) -> Wanted:
    """Take the conditions of a scan and the order of its rows apart."""
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
        gin_keys(scan, table, trigrams),
        trigrams,
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


def design_for(
    wanted: Wanted,
    keys: Sequence[Key],
    equal: int,
    include: tuple[str, ...] = (),
    predicate: str | None = None,
    method: str = "btree",
) -> IndexDesign:
    """An index with these keys, of which the first `equal` are compared for equality."""
    columns = [name for item in wanted.expressions for name in item.columns]
    return index_design(
        wanted.scan,
        wanted.table,
        tuple(keys)[:MAX_COLUMNS],
        equal=min(equal, MAX_COLUMNS),
        nodes=wanted.nodes,
        include=include,
        predicate=predicate,
        expression_columns=tuple(dict.fromkeys(columns)) or tuple(wanted.table.widths),
        method=method,
    )
