"""MariaDB's `ANALYZE FORMAT=JSON` to a `Plan`.

Elements become nodes, in the order in which MariaDB writes them: `query_block`, `filesort`,
`temporary_table`, `block-nl-join`, `materialized`, … under these names, and `table` under a name for its
`access_type` (`ACCESS_TYPES`). Lists such as `nested_loop` give no node: their elements are children, in the
order of the join. `PlanNode.attributes` holds what MariaDB said of the element under its own keys:
`access_type`, `key`, `rows`, `r_rows`, `r_filtered`, `r_loops`, `r_table_time_ms`, `attached_condition`,
`r_engine_stats`, `sort_key`, `r_sort_passes`, `buffer_size`, …

The fields of a node are those numbers in the meaning that `PlanNode` gives them. MariaDB counts rows before
it tests the condition, and says how many per cent pass; `PlanNode.actual_rows` is what the node returned.

Times (measured on MariaDB 10.11, and conserved within 2 % on the plans recorded for the tests):
`r_table_time_ms` and `r_other_time_ms` are a table's own, over all loops; `r_total_time_ms` of a query block
includes everything below it, also sub-queries and derived tables. Of a table that a `filesort` reads,
`r_other_time_ms` is the sorting, which is charged to the filesort. Of a filesort that reads a
temporary table, `r_total_time_ms` does not include filling that table.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_json import MAX_DEPTH, JsonChecks
from perfkit.model.sql_tree import tables_by_alias

ACCESS_TYPES = {
    "ALL": "full table scan",
    "index": "full index scan",
    "range": "index range scan",
    "ref": "index lookup",
    "ref_or_null": "index lookup",
    "eq_ref": "unique index lookup",
    "const": "constant row",
    "system": "constant row",
    "index_merge": "index merge",
    "fulltext": "fulltext lookup",
}
# Elements that become a node, and lists whose elements do.
_NODES = frozenset(
    {
        "query_block", "table", "filesort", "read_sorted_file", "temporary_table", "block-nl-join",
        "range-checked-for-each-record", "materialized", "expression_cache", "window_functions_computation",
        "union_result", "intersect_result", "except_result", "unit_result", "recursive_union",
    }
)  # fmt: skip
_LISTS = frozenset({"nested_loop", "subqueries", "query_specifications", "sorts", "duplicates_removal"})
# MariaDB reads these while it plans, and counts no loop for them.
_READ_EARLY = ("const", "system")
_READ = JsonChecks("a MariaDB plan in JSON")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")


def read_mariadb_plan(data: object, query_text: str = "") -> Plan:
    """Read the answer to `ANALYZE FORMAT=JSON` or `EXPLAIN FORMAT=JSON`.

    Args:
        data: the JSON as text, or its value.
        query_text: the statement, for display and to tell the tables behind its aliases.

    Returns:
        The plan; its times are `None` where it was made by `EXPLAIN`.

    Raises:
        PlanFormatError: if it is anything else.
    """
    whole = _READ.mapping(_READ.decoded(data), "the whole")
    block = whole.get("query_block")
    if block is None:
        _READ.fail('the key "query_block" is missing; use ANALYZE FORMAT=JSON')
    reader = _Reader(tables_by_alias(_PLACEHOLDER.sub("?", query_text), "mysql"))
    root = reader.node("query_block", _READ.mapping(block, "query_block"), depth=1)
    optimization = _READ.mapping(whole.get("query_optimization", {}), "query_optimization")
    return Plan(
        system_name="mariadb",
        query_text=query_text,
        root=root,
        analyzed=reader.is_analyzed or bool(optimization),
        execution_time_ms=_READ.number(root.attributes, "r_total_time_ms"),
        planning_time_ms=_READ.number(optimization, "r_total_time_ms"),
    )


class _Reader:
    """Numbers the nodes in reading order."""

    def __init__(self, tables: Mapping[str, str]) -> None:
        self.is_analyzed = False
        self._tables = tables
        self._count = 0

    def node(self, element: str, raw: Mapping[str, Any], depth: int, parent: str = "") -> PlanNode:
        if depth > MAX_DEPTH:
            _READ.fail(f"it is more than {MAX_DEPTH} levels deep")
        node_id, self._count = self._count, self._count + 1
        self.is_analyzed = self.is_analyzed or any(key.startswith("r_") for key in raw)
        children = tuple([self.node(name, item, depth + 1, element) for name, item in _parts(raw)])
        below_ms = sum(_inclusive_ms(child) for child in children)
        total_ms = _total_ms(element, raw, below_ms, parent)
        loops = _loops(raw, children, total_ms)
        alias = raw.get("table_name")
        is_table = element == "table" and isinstance(alias, str)
        return PlanNode(
            node_id,
            _node_type(element, raw),
            children,
            plan_rows=_passed(_READ.number(raw, "rows"), _READ.number(raw, "filtered")),
            actual_rows=0.0 if loops == 0 else _passed(_rows(raw), _READ.number(raw, "r_filtered")),
            actual_loops=loops,
            actual_total_time=total_ms / loops if loops else None if loops is None else 0.0,
            attributes={
                key: _READ.copied(value, f'"{element}"')
                for key, value in raw.items()
                if key not in _NODES and key not in _LISTS
            },
            relation_name=self._tables.get(str(alias), str(alias)) if is_table else None,
            alias=str(alias) if is_table else None,
            index_name=str(raw["key"]) if isinstance(raw.get("key"), str) else None,
            rows_removed_by_filter=_removed(raw),
        )


def _parts(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The elements directly below one, each with its name."""
    for key, value in raw.items():
        if key in _NODES:
            yield key, _READ.mapping(value, f'"{key}"')
        elif key in _LISTS:
            for item in _READ.sequence(value, f'"{key}"'):
                yield from _parts(_READ.mapping(item, f'an element of "{key}"'))


def _node_type(element: str, raw: Mapping[str, Any]) -> str:
    if element != "table":
        return element
    kind = raw.get("access_type") or raw.get("message") or element
    return ACCESS_TYPES.get(str(kind), str(kind))


def _rows(raw: Mapping[str, Any]) -> float | None:
    """Rows of one loop before the condition was tested."""
    for key in ("r_effective_rows", "r_output_rows", "r_rows"):
        if key in raw:
            return _READ.number(raw, key)
    return None


def _passed(rows: float | None, per_cent: float | None) -> float | None:
    return rows if rows is None or per_cent is None else rows * per_cent / 100


def _removed(raw: Mapping[str, Any]) -> float | None:
    rows, per_cent = _rows(raw), _READ.number(raw, "r_filtered")
    if rows is None or per_cent is None or "attached_condition" not in raw:
        return None
    return rows * max(0.0, 100 - per_cent) / 100


def _inclusive_ms(node: PlanNode) -> float:
    return (node.actual_total_time or 0.0) * (node.actual_loops or 0)


def _total_ms(element: str, raw: Mapping[str, Any], below_ms: float, parent: str) -> float:
    """Milliseconds over all loops in an element and in everything below it."""
    said = _READ.number(raw, "r_total_time_ms") or 0.0
    other_ms = _READ.number(raw, "r_other_time_ms") or 0.0
    if element == "filesort" and "table" not in raw:
        return said + below_ms
    if element == "block-nl-join":
        return (_READ.number(raw, "r_unpack_time_ms") or 0.0) + other_ms + below_ms
    if element == "table":
        own_ms = (_READ.number(raw, "r_table_time_ms") or 0.0) + (0.0 if parent == "filesort" else other_ms)
        return own_ms + below_ms
    return max(said, below_ms)


def _loops(raw: Mapping[str, Any], children: tuple[PlanNode, ...], total_ms: float) -> int | None:
    """How often an element ran; `None` where MariaDB did not count it.

    Elements without a count of their own ran if anything in them did.
    """
    said = _READ.number(raw, "r_loops")
    if total_ms > 0:
        return max(1, round(said or 1))
    if said is not None:
        return None if raw.get("access_type") in _READ_EARLY else round(said)
    counted = [child.actual_loops for child in children if child.actual_loops is not None]
    return min(1, max(counted)) if counted else None
