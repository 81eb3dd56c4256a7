"""SQLite's plans in a few lines: for the examples of the rules about them, and their tests."""

from collections.abc import Iterator
from dataclasses import replace

from perfkit.model.builders import query, trace
from perfkit.model.catalog import Column, Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.trace import Trace

_ORDERS = ("id", "user_id", "status", "amount", "created_at", "note")
_USERS = ("id", "name", "city")
# What the examples read: tables with their columns and rows.
TABLES = {"orders": (_ORDERS, 200_000), "users": (_USERS, 5_000), "tags": (("id", "label"), 40)}


def line(detail: str, *children: PlanNode, relation: str | None = None) -> PlanNode:
    """One line of `EXPLAIN QUERY PLAN`.

    Args:
        detail: as SQLite writes it: `SCAN o`.
        *children: the lines below it.
        relation: the table, where the line names its alias.
    """
    words = detail.split()
    is_access = words[0] in ("SCAN", "SEARCH")
    return PlanNode(
        0,
        words[0] if is_access else detail.rstrip(" 0123456789"),
        children,
        relation_name=(relation or words[1]) if is_access else None,
        alias=words[1] if is_access else None,
        attributes={"Detail": detail},
    )


def sqlite_trace(
    query_text: str, *lines: PlanNode, ms: float | None = 40, returned: int | None = 20, known: bool = True
) -> Trace:
    """A block that sent one statement to SQLite.

    Args:
        query_text: the statement.
        *lines: the lines of its plan at the top level.
        ms: what it took in the program, in milliseconds; `None` where that was not measured.
        returned: rows that it returned; `None` where that was not seen.
        known: whether the catalogue was asked about the tables.
    """
    numbers = iter(range(1000))
    root = _numbered(PlanNode(0, "QUERY PLAN", lines, attributes={"Detail": "QUERY PLAN"}), numbers)
    span = query(query_text, duration_ms=ms or 0.0, returned_rows=returned)
    tables = tuple(_table(name) for name in TABLES) if known else ()
    plan = Plan(
        "sqlite",
        query_text,
        root,
        analyzed=False,
        fingerprint=span.fingerprint,
        tables=tables,
        client_time_ms=ms,
    )
    return replace(trace([span]), plans=(plan,), duration_ms=ms or 0.0)


def _table(name: str) -> Table:
    columns, rows = TABLES[name]
    described = tuple(Column(column, "INTEGER") for column in columns)
    return Table(
        name, float(rows), 0, "r", is_partition=False, columns=described, indexes=(), relation_name=name
    )


def _numbered(root: PlanNode, numbers: Iterator[int]) -> PlanNode:
    number = next(numbers)
    children = tuple([_numbered(child, numbers) for child in root.children])
    return replace(root, node_id=number, children=children)
