"""The conditions of SQLite and MariaDB, taken apart as PostgreSQL's are: which columns an index could answer.

MariaDB writes the conditions of a table into its plan; SQLite does not, so they are read from the statement.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from sqlglot import exp

from perfkit.model.index_candidate import MAX_COLUMNS
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import Arm, filter_arms
from perfkit.model.sql_names import quoted
from perfkit.model.sql_tree import conjuncts, parsed

Dialect = Literal["sqlite", "mysql"]

_ANOTHER = "another table"
# Words that PostgreSQL takes as names and SQLite does not.
_SQLITE_WORDS = frozenset(
    {
        "add", "alter", "begin", "between", "by", "commit", "delete", "drop", "escape", "exists", "if",
        "index", "insert", "is", "join", "like", "rollback", "set", "transaction", "update", "values",
    }
)  # fmt: skip


def condition_arms(node: PlanNode, condition: str, dialect: Dialect) -> tuple[Arm, ...]:
    """Take a condition apart that a database wrote into its plan.

    Args:
        node: the scan of one table that is to answer it.
        condition: as MariaDB or SQLite writes it.
        dialect: whose SQL it is.

    Returns:
        One arm for each condition that AND joins; nothing where it cannot be read.
    """
    tree = parsed(condition, dialect)
    return () if tree is None else _arms(node, tree)


def statement_arms(
    plan: Plan, node: PlanNode, dialect: Dialect, unread: frozenset[str] = frozenset()
) -> tuple[Arm, ...]:
    """The conditions that the statement itself puts on a table.

    Args:
        plan: the plan of the statement, with its text and its tables.
        node: the scan of one of them.
        dialect: whose SQL the statement is.
        unread: aliases of the tables that are read after this one: nothing can be compared with their columns
            while this one is read.

    Returns:
        One arm for each condition in `WHERE` and `ON` of the one sub-query that reads the table by this
        alias; nothing where there is no such condition, or several sub-queries.
    """
    select = select_of(plan, node, dialect)
    if select is None:
        return ()
    joins = select.args.get("joins") or ()
    found = [select.args.get("where"), *(join.args.get("on") for join in joins)]
    trees = [item.this if isinstance(item, exp.Where) else item for item in found if item is not None]
    conditions = [_qualified(part.copy(), plan, node) for tree in trees for part in conjuncts(tree)]
    known = [condition for condition in conditions if not _names(condition) & _with_another(unread)]
    return _arms(node, exp.and_(*known)) if known else ()


def order_columns(plan: Plan, node: PlanNode, dialect: Dialect) -> tuple[str, ...]:
    """The columns of `ORDER BY` as index columns, empty where one is not a plain column of this table."""
    select = select_of(plan, node, dialect)
    order = None if select is None else select.args.get("order")
    if order is None:
        return ()
    tree = _qualified(order.copy(), plan, node)
    keys = [(key.this, bool(key.args.get("desc"))) for key in tree.expressions]
    if not all(isinstance(key, exp.Column) and key.table == _alias(node) for key, _ in keys):
        return ()
    is_mixed = len({descends for _, descends in keys}) > 1
    return tuple(name_in(key.name, dialect) + " DESC" * (is_mixed and down) for key, down in keys)


def select_of(plan: Plan, node: PlanNode, dialect: Dialect) -> Any | None:
    """The one `SELECT` of the statement that reads a table by the alias of this node (`sqlglot`'s tree)."""
    tree = parsed(plan.query_text, dialect)
    if tree is None:
        return None
    selects = {
        id(table.parent_select): table.parent_select
        for table in tree.find_all(exp.Table)
        if table.alias_or_name == _alias(node) and isinstance(table.parent_select, exp.Select)
    }
    return next(iter(selects.values())) if len(selects) == 1 else None


def is_summed_up(select: Any) -> bool:
    """Whether fewer rows come out than passed the condition, so that their number tells nothing of it."""
    if any(select.args.get(part) for part in ("group", "distinct", "having", "limit")):
        return True
    return any(isinstance(part, exp.AggFunc) for item in select.expressions for part in item.walk())


def index_columns(arms: tuple[Arm, ...], dialect: Dialect, order: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Columns of an index for these conditions: equality first, then the order that is wanted, one range.

    Returns:
        The columns as `CREATE INDEX` wants them, empty where no condition is on a plain column.
    """
    equal, ranges = (_columns(arms, kind, dialect) for kind in ("equality", "range"))
    if not (equal or ranges):
        return ()
    keys = [*equal, *(order if equal else ()), *[name for name in ranges if name not in (*equal, *order)][:1]]
    return tuple(list(dict.fromkeys(keys))[:MAX_COLUMNS])


def name_in(name: str, dialect: Dialect) -> str:
    """The name of a table or column as it must stand in a statement."""
    if dialect == "mysql":
        return "`" + name.replace("`", "``") + "`"
    return f'"{name}"' if name in _SQLITE_WORDS else quoted(name)


def _columns(arms: tuple[Arm, ...], kind: str, dialect: Dialect) -> list[str]:
    names = dict.fromkeys(arm.column for arm in arms if arm.kind == kind and arm.column)
    return [name_in(name.strip('"').replace('""', '"'), dialect) for name in names]


def _names(tree: Any) -> set[str]:
    """The tables that a condition names."""
    return {str(column.table) for column in tree.find_all(exp.Column)}


def _with_another(unread: frozenset[str]) -> frozenset[str]:
    """A column that is not ours and names no table may be one of these."""
    return unread | {_ANOTHER} if unread else unread


def _arms(node: PlanNode, tree: Any) -> tuple[Arm, ...]:
    plain = tree.transform(_plain)
    return filter_arms(
        replace(node, alias=_alias(node), attributes={"Filter": plain.sql(dialect="postgres")})
    )


def _plain(tree: Any) -> Any:
    """What PostgreSQL writes otherwise: a value for a placeholder, `=` for a list of values."""
    if isinstance(tree, exp.Placeholder | exp.Parameter):
        return exp.Literal.number(1)
    if isinstance(tree, exp.In) and tree.expressions:
        return exp.EQ(this=tree.this, expression=exp.Tuple(expressions=tree.expressions))
    return tree


def _qualified(tree: Any, plan: Plan, node: PlanNode) -> Any:
    """Every column with its table: one without belongs to this table if that has it, else to another."""
    table = plan.table_of(node)
    own = {column.name for column in table.columns} if table else set()
    for column in _unqualified(tree):
        column.set("table", exp.to_identifier(_alias(node) if column.name in own else _ANOTHER))
    return tree


def _unqualified(tree: Any) -> Iterator[Any]:
    return (column for column in tree.find_all(exp.Column) if not column.table)


def _alias(node: PlanNode) -> str:
    return node.alias or node.relation_name or ""
