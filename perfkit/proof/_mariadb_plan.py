"""A plan of MariaDB in the words in which indexes are chosen, and the indexes in the words of MariaDB."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlglot import exp

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.sql_tree import parsed
from perfkit.proof._what_if_designs import IndexDesign, Key, existing, unquoted

_SCANS = {
    "full table scan": "Seq Scan",
    "full index scan": "Index Scan",
    "index range scan": "Index Scan",
    "index lookup": "Index Scan",
    "unique index lookup": "Index Scan",
}
# What hands on the rows of a sort as they are.
_NODES = {"filesort": "Sort", "read_sorted_file": "LockRows"}
_DIRECTION = re.compile(r" (?:desc|asc)$", re.IGNORECASE)


def translated(plan: Plan) -> Plan:
    """The same tree with scans, sorts and conditions as PostgreSQL names them, for the choice of indexes."""
    root = _translated(plan.root)
    tree = parsed(plan.query_text.replace("`", '"'))
    if tree is not None and tree.args.get("limit") is not None:
        root = replace(root, node_type="Limit")
    return replace(plan, root=root, settings={})


def _translated(node: PlanNode) -> PlanNode:
    kind = _SCANS.get(node.node_type) or _NODES.get(node.node_type, node.node_type)
    attributes: dict[str, Any] = {}
    condition, keys = node.attributes.get("attached_condition"), node.attributes.get("sort_key")
    if isinstance(condition, str) and (text := _condition(condition)) is not None:
        attributes["Filter"] = text
    if isinstance(keys, str):
        attributes["Sort Key"] = [_sort_key(key) for key in keys.split(", ")]
    children = tuple(map(_translated, node.children))
    return replace(node, node_type=kind, attributes=attributes, children=children)


def _condition(text: str) -> str | None:
    tree = parsed(text, "mysql")
    if tree is None:
        return None
    for name in tree.find_all(exp.Identifier):
        name.set("quoted", not _is_simple(name.name))
    return str(tree.sql(dialect="postgres"))


def _sort_key(text: str) -> str:
    direction = " DESC" if text.lower().endswith(" desc") else ""
    return _DIRECTION.sub("", text).replace("`", '"') + direction


def _is_simple(name: str) -> bool:
    return name.isidentifier() and name.isascii() and name == name.lower()


def in_mariadb(design: IndexDesign) -> IndexDesign | None:
    """The index as MariaDB can build it, `None` where it cannot.

    It has no partial indexes, no operator classes and no INCLUDE: columns that are only carried along come
    last. A plain index finds the beginning of a text.
    """
    names = [*design.keys, *(Key(name) for name in design.include)]
    if design.table is None or design.method != "btree" or design.predicate:
        return None
    if any(key.is_expression for key in names):
        return None
    keys = tuple(Key(_quoted(unquoted(key.text)), key.descending) for key in names)
    body = f"{design.table.name} ({', '.join(key.sql for key in keys)})"
    plain = replace(design, keys=keys, include=(), what=body, relation=design.table.name)
    found = existing(plain)
    if found is not None and design.rejection is None:
        return replace(plain, rejection=f"{found.name} exists and begins with these columns.")
    return replace(
        plain,
        # Others go on writing to the table while it is built, or it is not built at all.
        statements=(f"CREATE INDEX {design.name} ON {body} ALGORITHM=INPLACE LOCK=NONE",),
        paste=f"ALTER TABLE {design.table.name} ADD INDEX ({', '.join(key.sql for key in keys)});",
    )


def _quoted(name: str) -> str:
    return name if _is_simple(name) else "`" + name.replace("`", "``") + "`"


def pages_of(plan: Plan) -> int:
    """The pages that the tables of a plan were read from, in the cache or on disk."""
    stated = (node.attributes.get("r_engine_stats") for node in plan.nodes())
    return sum(int(one.get("pages_accessed") or 0) for one in stated if isinstance(one, Mapping))
