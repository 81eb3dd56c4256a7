"""The conditions of a plan's nodes, taken apart: which columns an index could answer, and how."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from perfkit.model.plan import PlanNode
from perfkit.model.sql_tree import conjuncts, parsed

ArmKind = Literal["equality", "range", "other"]

# What EXPLAIN writes and no SQL parser knows: values of sub-queries, and values that were left out.
_FOREIGN = re.compile(
    r"'(?:[^']|'')*' | \"(?:[^\"]|\"\")*\""
    r" | (?P<value>\(InitPlan\s\d+\)\.col\d+ | \?(?=::|\)|,|$|\s+(?:AND|OR|[-+*/])\b))"
    r" | (?P<subplan>\((?:hashed\s)?SubPlan\s\d+\)(?:\.col\d+)?)",
    re.VERBOSE,
)
# `(status)::text` is how PostgreSQL shows a varchar column; an index on the column still serves it.
_TEXT_TYPES = ("TEXT", "VARCHAR", "BPCHAR", "CHAR", "NVARCHAR")
_RANGES = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
_SORT_KEY = re.compile(
    r'(?:(?P<table>\w+|"[^"]+")\.)?(?P<column>\w+|"[^"]+")'
    r"(?P<direction> DESC)?(?P<nulls> NULLS (?:FIRST|LAST))?$"
)


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the conditions that AND joins, as far as an index on a plain column is concerned.

    `column` is written as SQL wants it, quoted where needed, `None` where no such index can answer the
    condition. `is_cast` says that the column was cast to text, which is harmless for varchar alone.
    """

    kind: ArmKind
    column: str | None = None
    is_cast: bool = False


@dataclass(frozen=True, slots=True)
class SortColumn:
    """A sort key that is a plain column, with its direction as `CREATE INDEX` wants it."""

    column: str
    descending: bool = False
    nulls: str = ""


def filter_arms(node: PlanNode) -> tuple[Arm, ...]:
    """Take the filter of a scan apart.

    Args:
        node: a scan of one table.

    Returns:
        One arm for each condition that AND joins; nothing where there is no filter or it cannot be read.
    """
    return tuple(_arm(item, node) for item in filter_conjuncts(node))


def filter_conjuncts(node: PlanNode) -> tuple[Any, ...]:
    """The conditions of a scan's filter that AND joins, as sqlglot's trees; none where it cannot be read."""
    text = node.attributes.get("Filter")
    tree = parsed_condition(text) if isinstance(text, str) else None
    return () if tree is None else tuple(conjuncts(tree))


def parsed_condition(text: str) -> Any:
    """The tree of a condition, or of a part of one, as a plan writes it.

    Args:
        text: what stands in the plan. Values that were left out become `$1`, sub-queries a function.

    Returns:
        sqlglot's tree, `None` where it cannot be read.
    """
    return parsed(_FOREIGN.sub(_readable, text))


def _readable(match: re.Match[str]) -> str:
    if match["subplan"]:
        return "perfkit_subplan()"
    return "$1" if match["value"] else match[0]


def _arm(tree: Any, node: PlanNode) -> Arm:
    if isinstance(tree, exp.Column):
        return _column_arm("equality", tree, node)
    if isinstance(tree, exp.Not) and isinstance(tree.this.unnest(), exp.Column):
        return _column_arm("equality", tree.this, node)
    if isinstance(tree, exp.Is):
        negated = tree.args.get("negate") or not isinstance(tree.expression, exp.Null | exp.Boolean)
        return Arm("other") if negated else _column_arm("equality", tree.this, node)
    if not isinstance(tree, exp.EQ | exp.Between | exp.GT | exp.GTE | exp.LT | exp.LTE):
        return Arm("other")
    kind: ArmKind = "range" if isinstance(tree, _RANGES) else "equality"
    sides = (tree.this, tree.args.get("expression"))
    for column, value in (sides, sides[::-1]):
        if column is not None and _is_value(value, node):
            arm = _column_arm(kind, column, node)
            if arm.column:
                return arm
    return Arm("other")


def _column_arm(kind: ArmKind, tree: Any, node: PlanNode) -> Arm:
    tree, is_cast = tree.unnest(), False
    if is_text_cast(tree):
        tree, is_cast = tree.this.unnest(), True
    if not isinstance(tree, exp.Column) or not is_own(tree, node):
        return Arm("other")
    return Arm(kind, _written(tree.name, quoted=bool(tree.this.args.get("quoted"))), is_cast)


def is_text_cast(tree: Any) -> bool:
    """Whether a tree is a cast to text, of which nothing is known to change the value."""
    return isinstance(tree, exp.Cast) and tree.to.this.name in _TEXT_TYPES


def is_own(column: Any, node: PlanNode) -> bool:
    """Whether a column of a tree belongs to the table of a scan, as one without a table does."""
    return not column.table or column.table in (node.alias, node.relation_name)


def _is_value(tree: Any, node: PlanNode) -> bool:
    """Whether it is known before the row is read: no column of the table, no sub-query for each row."""
    if tree is None:
        return True  # the bounds of BETWEEN
    return not has_subplan(tree) and not any(is_own(column, node) for column in tree.find_all(exp.Column))


def has_subplan(tree: Any) -> bool:
    """Whether a sub-query is asked for each row."""
    return any(part.name == "perfkit_subplan" for part in tree.find_all(exp.Anonymous))


def _written(name: str, *, quoted: bool) -> str:
    return '"' + name.replace('"', '""') + '"' if quoted else name


def sort_columns(sort: PlanNode, scan: PlanNode) -> tuple[SortColumn, ...]:
    """The leading sort keys that are plain columns of one scan.

    Args:
        sort: a node with a `Sort Key`.
        scan: the scan whose rows reach it.

    Returns:
        Up to the first key that is an expression or belongs to another table.
    """
    columns: list[SortColumn] = []
    keys = sort.attributes.get("Sort Key")
    for key in keys if isinstance(keys, list) else ():
        match = _SORT_KEY.match(str(key))
        if not match or (match["table"] or scan.alias or "").strip('"') not in _names(scan):
            break
        columns.append(SortColumn(match["column"], bool(match["direction"]), (match["nulls"] or "").strip()))
    return tuple(columns)


def _names(scan: PlanNode) -> tuple[str, ...]:
    return tuple(name for name in (scan.alias, scan.relation_name) if name)
