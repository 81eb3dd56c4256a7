"""Large plans in PostgreSQL's JSON, made up with everything that version 18 says of a node."""

import json
from typing import Any

# A statement over the partitions of two tables: each month is joined, filtered, grouped and sorted.
_NODES_A_PART = 8
_ALWAYS = (
    *("Shared Dirtied Blocks", "Shared Written Blocks", "Local Hit Blocks", "Local Read Blocks"),
    *("Local Dirtied Blocks", "Local Written Blocks", "Temp Read Blocks", "Temp Written Blocks"),
)
_COLUMNS = ("id", "customer_id", "status", "amount", "created_at")
_HASH = {
    "Hash Buckets": 1024,
    "Original Hash Buckets": 1024,
    "Hash Batches": 1,
    "Original Hash Batches": 1,
    "Peak Memory Usage": 9,
}
_IN_MEMORY = {"Sort Method": "quicksort", "Sort Space Used": 27, "Sort Space Type": "Memory"}
_ON_DISK = {"Sort Method": "external merge", "Sort Space Used": 11848, "Sort Space Type": "Disk"}
_FILTER = (
    "(({0}.created_at >= '2026-01-01 00:00:00'::timestamp without time zone) AND ({0}.status = 'paid'::text))"
)


def wide_plan(nodes: int) -> str:
    """A plan of so many nodes, side by side below one Append.

    Args:
        nodes: at least 10.

    Returns:
        The text that `EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON)` would give.
    """
    parts, rest = divmod(nodes - 2, _NODES_A_PART)
    children = [_part(number) for number in range(parts)]
    children += [_scan(f"orders_rest_{number}", number) for number in range(rest)]
    append = _node("Append", 0.9 * len(children), 20 * len(children), *_outer("Member", children))
    time, rows = append["Actual Total Time"] + 1, append["Actual Rows"]
    key = ["orders.customer_id", "(sum(orders.amount)) DESC"]
    root = _node("Sort", time, rows, *_outer("Outer", [append]), **{"Sort Key": key}, **_ON_DISK)
    return _statement(root)


def deep_plan(levels: int) -> str:
    """A plan of so many levels: a chain of nested loops, each with an index scan on its inner side."""
    node = _scan("orders_0", 0)
    for number in range(1, levels):
        inner = _index_scan(f"customers_{number}", 0.01, 20)
        time = node["Actual Total Time"] + 0.3
        node = _node("Nested Loop", time, 20, *_sides(node, inner), **{"Join Type": "Inner"})
    return _statement(node)


def _statement(root: dict[str, Any]) -> str:
    time = root["Actual Total Time"]
    planning = {"Shared Hit Blocks": 5120, "Shared Read Blocks": 0}
    whole = {"Plan": root, "Settings": {"work_mem": "1MB"}, "Planning": planning}
    return json.dumps([{**whole, "Planning Time": 31.4, "Triggers": [], "Execution Time": time + 0.4}])


def _part(number: int) -> dict[str, Any]:
    """One month: a hash join of a filtered scan with another table, grouped and sorted."""
    scan = _scan(f"orders_{number:03}", number)
    inner = _index_scan(f"customers_{number:03}", 0.1, 1)
    items = _index_scan(f"order_items_{number:03}", 0.002, 20)
    hashed = _node("Hash", 0.12, 20, *_outer("Outer", [inner]), **_HASH)
    condition = {"Hash Cond": f"(customers_{number:03}.id = orders_{number:03}.customer_id)"}
    join = _node("Hash Join", 0.6, 20, *_sides(scan, hashed), **{"Join Type": "Inner"}, **condition)
    loop = _node("Nested Loop", 0.7, 20, *_sides(join, items), **{"Join Type": "Left", "Inner Unique": False})
    key = [f"orders_{number:03}.customer_id"]
    sort = _node("Sort", 0.72, 20, *_outer("Outer", [loop]), **{"Sort Key": key}, **_IN_MEMORY)
    group = {"Strategy": "Sorted", "Partial Mode": "Simple", "Group Key": key}
    return _node("Aggregate", 0.8, 20, *_outer("Outer", [sort]), **group)


def _scan(table: str, number: int) -> dict[str, Any]:
    condition = {"Filter": _FILTER.format(table), "Rows Removed by Filter": 980.0}
    expected = 20 * (1 + number % 15)
    return _node("Seq Scan", 0.4, 20, rows_planned=expected, **_table(table), **condition)


def _index_scan(table: str, time: float, loops: int) -> dict[str, Any]:
    condition = {"Index Cond": f"({table}.id = orders.customer_id)", "Rows Removed by Index Recheck": 0.0}
    index = {"Scan Direction": "Forward", "Index Name": f"{table}_pkey", "Index Searches": loops}
    return _node("Index Scan", time, 1, loops=loops, **_table(table), **index, **condition)


def _table(name: str) -> dict[str, Any]:
    return {"Relation Name": name, "Schema": "public", "Alias": name}


def _node(
    kind: str, time: float, rows: float, *children: Any, loops: int = 1, rows_planned: float = 20, **said: Any
) -> dict[str, Any]:
    table = said.get("Alias", "orders")
    first = {"Node Type": kind, "Parallel Aware": False, "Async Capable": False}
    costs = {"Startup Cost": 0.29, "Total Cost": 8.31 + rows, "Plan Rows": rows_planned, "Plan Width": 44}
    times = {"Actual Startup Time": 0.004, "Actual Total Time": round(time, 3)}
    counts = {"Actual Rows": float(rows), "Actual Loops": loops, "Disabled": False}
    output = [f"{table}.{column}" for column in _COLUMNS]
    buffers = {"Shared Hit Blocks": 60 * loops, "Shared Read Blocks": 0, **dict.fromkeys(_ALWAYS, 0)}
    below = {"Plans": list(children)} if children else {}
    return {**first, **costs, **times, **counts, "Output": output, **said, **buffers, **below}


def _outer(relationship: str, children: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**child, "Parent Relationship": relationship} for child in children]


def _sides(outer: dict[str, Any], inner: dict[str, Any]) -> list[dict[str, Any]]:
    return [*_outer("Outer", [outer]), *_outer("Inner", [inner])]
