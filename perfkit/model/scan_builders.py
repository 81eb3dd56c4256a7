"""Scans with filters, and what the catalogue says of their tables, in a few lines: examples for rules."""

from collections.abc import Mapping
from typing import Any

from perfkit.model.builders import trace
from perfkit.model.catalog import Column, Index, Table
from perfkit.model.plan import PlanNode
from perfkit.model.plan_builders import example_index, example_table, node, plan
from perfkit.model.trace import Trace

__all__ = ["filtering", "known_index", "known_table", "plan_trace"]


def filtering(
    condition: str,
    *children: PlanNode,
    relation_name: str = "customers",
    node_type: str = "Seq Scan",
    rows: float = 1,
    removed: float = 299_999,
    ms: float = 40,
    **said: Any,
) -> PlanNode:
    """A scan whose filter throws rows away; by default 299,999 of 300,000 in 40 ms.

    Args:
        condition: the filter as a plan has it.
        *children: sub-queries that it calls.
        relation_name: its table.
        node_type: PostgreSQL's name.
        rows: rows that it keeps, a loop.
        removed: rows that it throws away, a loop.
        ms: milliseconds of one loop.
        **said: what else the plan says of it.
    """
    return node(
        node_type,
        *children,
        ms=ms,
        rows=rows,
        relation_name=relation_name,
        rows_removed_by_filter=removed,
        Filter=condition,
        **said,
    )


def known_index(*keys: str, opclass: str = "", method: str = "btree", **said: Any) -> Index:
    """An index on these keys, named after them; `opclass` is the first key's."""
    names = [key.strip("()") for key in keys]
    opclasses = (opclass, *("" for _ in keys[1:]))
    return example_index(f"by_{'_'.join(names)}", *keys, method=method, opclasses=opclasses, **said)


def known_table(
    types: Mapping[str, str],
    *indexes: Index,
    relation_name: str = "customers",
    distinct: Mapping[str, float] | None = None,
) -> Table:
    """A table of 300,000 rows as the catalogue has it.

    Args:
        types: the type of each column.
        *indexes: what indexes there are.
        relation_name: its name.
        distinct: numbers of different values, for columns that are not unique.
    """
    columns = (Column(name, kind, 8, (distinct or {}).get(name, -1.0)) for name, kind in types.items())
    return example_table(relation_name, rows=300_000, columns=tuple(columns), indexes=indexes)


def plan_trace(root: PlanNode, *tables: Table, query_text: str = "SELECT 1", **said: Any) -> Trace:
    """A block that sent one statement, with what the catalogue says of its tables.

    Args:
        root: the plan's first node.
        *tables: what the catalogue says.
        query_text: the statement.
        **said: further fields of `Plan`, such as `parameter_types`.
    """
    made = plan(root, query_text=query_text, tables=tables, **said)
    return trace(plans=(made,), duration_ms=made.duration_ms)
