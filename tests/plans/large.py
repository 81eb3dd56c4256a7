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
    """A plan of so many nodes, side by side below one Append. Every twentieth part is a large one.

    Args:
        nodes: at least 10.

    Returns:
        The text that `EXPLAIN (ANALYZE, VERBOSE, BUFFERS, SETTINGS, FORMAT JSON)` would give.
    """
    parts, rest = divmod(nodes - 2, _NODES_A_PART)
    children = [_part(number) for number in range(parts)]
    children += [_scan(f"orders_rest_{number}", number, 20) for number in range(rest)]
    time, rows = (sum(child[f"Actual {what}"] for child in children) for what in ("Total Time", "Rows"))
    append = _node("Append", time + 1, rows, *_outer("Member", children))
    key = ["orders.customer_id", "(sum(orders.amount)) DESC"]
    root = _node("Sort", time + 2, rows, *_outer("Outer", [append]), **{"Sort Key": key}, **_ON_DISK)
    return _statement(root)


def deep_plan(levels: int) -> str:
    """A plan of so many levels: a chain of nested loops, each with an index scan on its inner side."""
    node = _scan("orders_0", 0, 20)
    for number in range(1, levels):
        inner = _index_scan(f"customers_{number}", "orders_0.customer_id", 0.01, 20)
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
    orders, customers = f"orders_{number:03}", f"customers_{number:03}"
    rows = 20_000 if number % 20 == 0 else 20
    scan = _scan(orders, number, rows)
    time = scan["Actual Total Time"]
    hashed = _node("Hash", 1.05 * time, rows, *_outer("Outer", [_scan(customers, number, rows)]), **_HASH)
    condition = {"Join Type": "Inner", "Hash Cond": f"({customers}.id = {orders}.customer_id)"}
    join = _node("Hash Join", 2.2 * time, rows, *_sides(scan, hashed), **condition)
    items = _index_scan(f"order_items_{number:03}", f"{orders}.id", 0.002, rows)
    kind = {"Join Type": "Left", "Inner Unique": False}
    loop = _node("Nested Loop", 2.5 * time, rows, *_sides(join, items), **kind)
    key = [f"{orders}.customer_id"]
    sort = _node("Sort", 2.8 * time, rows, *_outer("Outer", [loop]), **{"Sort Key": key}, **_IN_MEMORY)
    group = {"Strategy": "Sorted", "Partial Mode": "Simple", "Group Key": key}
    return _node("Aggregate", 3 * time, rows, *_outer("Outer", [sort]), **group)


def _scan(table: str, number: int, rows: int) -> dict[str, Any]:
    condition = {"Filter": _FILTER.format(table), "Rows Removed by Filter": 49.0 * rows}
    expected = rows * (1 + number % 15)
    return _node("Seq Scan", 0.01 * rows, rows, rows_planned=expected, **_table(table), **condition)


def _index_scan(table: str, outer: str, time: float, loops: int) -> dict[str, Any]:
    condition = {"Index Cond": f"({table}.id = {outer})", "Rows Removed by Index Recheck": 0.0}
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
