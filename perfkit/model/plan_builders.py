"""Plans in a few lines: for the rules' examples, the tests, and anyone who writes a rule about plans."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from perfkit.model.builders import trace
from perfkit.model.catalog import Column, Index, Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.trace import Trace

_FIELDS = frozenset(item.name for item in fields(PlanNode))


def node(
    node_type: str,
    *children: PlanNode,
    ms: float = 0.0,
    rows: float = 1,
    planned: float | None = None,
    loops: int = 1,
    **said: Any,
) -> PlanNode:
    """One node of a measured plan.

    Args:
        node_type: PostgreSQL's name, such as `Seq Scan`.
        *children: the nodes below it; the first of two is the outer side of a join.
        ms: average time of one loop, everything below included, in milliseconds.
        rows: average rows of one loop.
        planned: expected rows of one loop; by default as many as came.
        loops: how often it ran.
        **said: a field of `PlanNode`, or what the database says under another name (`Sort_Method`).
    """
    own = {name: value for name, value in said.items() if name in _FIELDS}
    attributes = {name.replace("_", " "): value for name, value in said.items() if name not in _FIELDS}
    if "relation_name" in own:
        own.setdefault("alias", own["relation_name"])
    return PlanNode(
        node_id=0,
        node_type=node_type,
        children=tuple(_related(children)),
        plan_rows=float(rows if planned is None else planned),
        actual_rows=float(rows),
        actual_loops=loops,
        actual_total_time=ms,
        attributes=attributes,
        **own,
    )


def plan(root: PlanNode, *, query_text: str = "SELECT 1", **said: Any) -> Plan:
    """A measured PostgreSQL plan; the execution takes as long as the root does."""
    numbers = iter(range(10**6))
    defaults = {"execution_time_ms": root.actual_total_time, "planning_time_ms": 0.1}
    return Plan("postgresql", query_text, _numbered(root, numbers), analyzed=True, **{**defaults, **said})


def planned_trace(*roots: PlanNode, **said: Any) -> Trace:
    """A block that sent one statement for each of these plans, and did nothing else."""
    plans = tuple(plan(root) for root in roots)
    return trace(plans=plans, duration_ms=sum(item.duration_ms or 0.0 for item in plans), **said)


def known_trace(root: PlanNode, *tables: Table, **said: Any) -> Trace:
    """A block that sent one statement, with what the catalogue says of its tables.

    Args:
        root: the plan's root.
        *tables: made by `known_table`.
        **said: fields of `Plan`.
    """
    known = plan(root, tables=tables, **said)
    return trace(plans=(known,), duration_ms=known.duration_ms)


def known_table(name: str, *columns: Column, indexes: tuple[Index, ...] = (), **said: Any) -> Table:
    """A table of the schema `public` as the catalogue has it; `said` are other fields of `Table`."""
    defaults: dict[str, Any] = {
        "rows": 300_000.0, "size_bytes": 30_000_000, "kind": "r", "is_partition": False, "schema": "public",
    }  # fmt: skip
    return Table(
        f"public.{name}", columns=columns, indexes=indexes, relation_name=name, **{**defaults, **said}
    )


def known_index(name: str, *keys: str, method: str = "btree", **said: Any) -> Index:
    """An index with these keys, all ascending; `said` are other fields of `Index`."""
    same: dict[str, Any] = {"opclasses": ("",) * len(keys), "descending": (False,) * len(keys)}
    return Index(name, method, is_valid=True, keys=keys, **{"predicate": None, "include": (), **same, **said})


def _related(children: tuple[PlanNode, ...]) -> Iterator[PlanNode]:
    for position, child in enumerate(children):
        side = "Inner" if position == 1 else "Outer"
        yield child if child.parent_relationship else replace(child, parent_relationship=side)


def _numbered(root: PlanNode, numbers: Iterator[int]) -> PlanNode:
    number = next(numbers)
    return replace(
        root, node_id=number, children=tuple([_numbered(child, numbers) for child in root.children])
    )
