"""What a statement and its plan say beyond plain columns: expressions, patterns, constants, order."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from perfkit.model.plan import PlanNode
from perfkit.model.plan_conditions import (
    Arm,
    SortColumn,
    filter_conjuncts,
    has_subplan,
    is_own,
    is_text_cast,
)
from perfkit.model.plan_scans import condition_arms
from perfkit.model.sql_names import quoted
from perfkit.model.sql_tree import parsed

ExpressionKind = Literal["equality", "range", "prefix", "infix", "cast"]
_RANGES = (exp.GT, exp.GTE, exp.LT, exp.LTE)
_PATTERNS = (exp.Like, exp.ILike)
_LITERALS = (exp.Literal, exp.Boolean)


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition on something made of columns. `text` is SQL, for a pattern the column alone."""

    kind: ExpressionKind
    text: str
    columns: tuple[str, ...]


def column_arms(scan: PlanNode, *names: str) -> tuple[Arm, ...]:
    """The conditions of a node under these names, such as `Filter` and `Index Cond`, taken apart."""
    return tuple(arm for name in names for arm in condition_arms(scan, scan.attributes.get(name)))


def join_columns(scan: PlanNode, condition: object) -> tuple[str, ...]:
    """The columns of a scan that the condition of a join compares for equality."""
    arms = condition_arms(scan, condition)
    return tuple(dict.fromkeys(arm.column for arm in arms if arm.kind == "equality" and arm.column))


def expressions(scan: PlanNode) -> tuple[Expression, ...]:
    """The conditions of a scan's filter that a plain index on columns cannot answer."""
    found = (_expression(item, scan) for item in row_conditions(scan))
    return tuple(item for item in found if item is not None)


def row_conditions(scan: PlanNode) -> tuple[Any, ...]:
    """The conditions of a scan's filter that the row alone answers, as sqlglot's trees."""
    return tuple(item for item in filter_conjuncts(scan) if not has_subplan(item))


def literals(statement: str, scan: PlanNode) -> dict[str, str]:
    """Columns that the text compares with one constant, and that condition: `status = 'refunded'`.

    Only what stands in the text counts: a partial index cannot serve a value that is bound later.
    """
    tree = parsed(statement)
    found: dict[str, set[str]] = {}
    for item in tree.find_all(exp.EQ, exp.Is) if tree is not None else ():
        column, value = item.this, item.expression
        if not isinstance(column, exp.Column) or not is_own(column, scan):
            continue
        name = quoted(column.name)
        known = isinstance(value, (*_LITERALS, exp.Null))
        said = f"{name} {'=' if isinstance(item, exp.EQ) else 'IS'} {value.sql(dialect='postgres')}"
        found.setdefault(name, set()).add(said if known else "")
    return {name: said.pop() for name, said in found.items() if len(said) == 1 and "" not in said}


def named_columns(statement: str, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of a table's columns that a statement names, `None` where it asks for all or cannot be read."""
    tree = parsed(statement)
    if tree is None:
        return None
    stars = (star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count))
    if next(stars, None) is not None:
        return None
    named = {column.name for column in tree.find_all(exp.Column)}
    return tuple(column for column in columns if column in named)


def asked_order(statement: str, columns: tuple[str, ...]) -> tuple[SortColumn, ...]:
    """The plain columns of a table that a statement's ORDER BY begins with."""
    tree = parsed(statement)
    order = tree.args.get("order") if tree is not None else None
    found: list[SortColumn] = []
    for item in order.expressions if order is not None else ():
        if not isinstance(item.this, exp.Column) or item.this.name not in columns:
            break
        found.append(SortColumn(quoted(item.this.name), bool(item.args.get("desc"))))
    return tuple(found)


def _expression(tree: Any, scan: PlanNode) -> Expression | None:
    if isinstance(tree, _PATTERNS):
        return _pattern(tree, scan)
    if not isinstance(tree, (exp.EQ, *_RANGES)):
        return None
    for left, value in ((tree.this, tree.expression), (tree.expression, tree.this)):
        own, side = own_columns(left, scan), left.unnest()
        if own and not own_columns(value, scan) and not isinstance(side, exp.Column):
            if isinstance(side, exp.Cast) and isinstance(side.this.unnest(), exp.Column):
                return None if is_text_cast(side) else Expression("cast", _type(side), own)
            kind: ExpressionKind = "equality" if isinstance(tree, exp.EQ) else "range"
            return None if _has_value(side) else Expression(kind, written(side), own)
    return None


def _pattern(tree: Any, scan: PlanNode) -> Expression | None:
    """A pattern whose value is unknown may be a prefix: trying it will tell."""
    column, pattern = tree.this.unnest(), tree.expression.unnest()
    column = column.this.unnest() if is_text_cast(column) else column
    pattern = pattern.this.unnest() if isinstance(pattern, exp.Cast) else pattern
    if not isinstance(column, exp.Column) or not own_columns(column, scan):
        return None
    open_start = isinstance(pattern, exp.Literal) and str(pattern.this)[:1] in ("%", "_", "")
    kind: ExpressionKind = "infix" if open_start or isinstance(tree, exp.ILike) else "prefix"
    return Expression(kind, written(column), (column.name,))


def _type(cast: Any) -> str:
    """The type as PostgreSQL calls it."""
    name = str(cast.to.sql(dialect="postgres")).lower()
    return name.replace("decimal", "numeric")


def _has_value(tree: Any) -> bool:
    return next(tree.find_all(exp.Parameter, exp.Placeholder), None) is not None


def own_columns(tree: Any, scan: PlanNode) -> tuple[str, ...]:
    """The columns of a scan's table in an expression."""
    return tuple(dict.fromkeys(c.name for c in tree.find_all(exp.Column) if is_own(c, scan)))


def written(tree: Any) -> str:
    """SQL of an expression without the table in front of its columns."""
    copy = tree.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
        column.set("db", None)
    return str(copy.sql(dialect="postgres", normalize_functions="lower"))
