"""Plans in a few lines: for the rules' examples, the tests, and anyone who writes a rule about plans."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from perfkit.model.builders import trace
from perfkit.model.catalog import ForeignKey, Index, Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.sql_names import quoted
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


def example_table(name: str, *, rows: float = 1000.0, **said: Any) -> Table:
    """What the catalogue says of a table: by default nothing but its rows, 100 of them on a page."""
    pages = max(0, round(rows / 100))
    defaults = {"pages": pages, "size_bytes": pages * 8192, "relation_name": name, "schema": "public"}
    known: dict[str, Any] = {"kind": "r", "is_partition": False, "columns": (), "indexes": (), **defaults}
    return Table(f"public.{quoted(name)}", rows, **{**known, **said})


def planned_trace(
    *roots: PlanNode, tables: tuple[Table, ...] = (), foreign_keys: tuple[ForeignKey, ...] = (), **said: Any
) -> Trace:
    """A block that sent one statement for each of these plans, and did nothing else."""
    plans = tuple(plan(root, tables=tables, foreign_keys=foreign_keys) for root in roots)
    return trace(plans=plans, duration_ms=sum(item.duration_ms or 0.0 for item in plans), **said)


def example_index(name: str, *keys: str, method: str = "btree", **said: Any) -> Index:
    """What the catalogue says of an index: by default valid, over all rows, and ascending in all keys."""
    same: dict[str, Any] = {"opclasses": ("",) * len(keys), "descending": (False,) * len(keys)}
    known: dict[str, Any] = {"is_valid": True, "predicate": None, "include": (), **same}
    return Index(name, method, keys=keys, **{**known, **said})


def _related(children: tuple[PlanNode, ...]) -> Iterator[PlanNode]:
    for position, child in enumerate(children):
        side = "Inner" if position == 1 else "Outer"
        yield child if child.parent_relationship else replace(child, parent_relationship=side)


def _numbered(root: PlanNode, numbers: Iterator[int]) -> PlanNode:
    number = next(numbers)
    return replace(
        root, node_id=number, children=tuple([_numbered(child, numbers) for child in root.children])
    )
