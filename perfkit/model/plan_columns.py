"""Which columns of a table a statement needs, as far as its plan tells."""

import re
from collections.abc import Iterable, Iterator

from sqlglot import exp

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import is_own
from perfkit.model.sql_names import quoted
from perfkit.model.sql_tree import parsed

# Everything else that EXPLAIN says about a node holds no expression.
_CONDITIONS = (
    "Filter", "Index Cond", "Recheck Cond", "Join Filter", "Hash Cond", "Merge Cond", "Sort Key", "Group Key",
    "Presorted Key", "Cache Key", "One-Time Filter", "Order By", "TID Cond", "Window", "Run Condition",
)  # fmt: skip
# A named window, such as `w1 AS (PARTITION BY user_id)`, is no expression by itself.
_WINDOW = re.compile(r"\A\w+ AS \(")


def mentioned_columns(scan: PlanNode, expression: object) -> frozenset[str] | None:
    """The columns of a scan's table that an expression names.

    Args:
        scan: the scan; a column without a table is its own.
        expression: as EXPLAIN (VERBOSE) writes it.

    Returns:
        Their names as SQL wants them, `None` where the expression cannot be read or names the whole row.
    """
    if not isinstance(expression, str):
        return None
    tree = parsed(_WINDOW.sub("count(*) OVER (", expression.removesuffix(" DESC")))
    if tree is None:
        return None
    own = [column for column in tree.find_all(exp.Column) if is_own(column, scan)]
    if any(isinstance(column.this, exp.Star) for column in own):
        return None
    return frozenset(quoted(column.name) for column in own)


def needed_columns(plan: Plan, scan: PlanNode) -> frozenset[str] | None:
    """The columns of a scan that are used: by its own conditions, and by the nodes above.

    PostgreSQL lets a scan return whole rows where that costs nothing, so the scan's own output may name
    columns that nobody reads. The first node above that returns something else tells what is needed.

    Args:
        plan: a plan made with VERBOSE.
        scan: a scan in it.

    Returns:
        Their names as SQL wants them, `None` where that cannot be told.
    """
    output = scan.attributes.get("Output")
    if not isinstance(output, list):
        return None
    texts = [condition for node in scan.walk() for condition in _conditions(node)]
    parent, given = plan.parents.get(scan.node_id), output
    while parent is not None:
        texts += _conditions(parent)
        above = parent.attributes.get("Output")
        if isinstance(above, list) and not set(map(str, output)) <= set(map(str, above)):
            given = above
            break
        parent = plan.parents.get(parent.node_id)
    return _united(mentioned_columns(scan, text) for text in (*texts, *given))


def _conditions(node: PlanNode) -> Iterator[str]:
    for name in _CONDITIONS:
        value = node.attributes.get(name)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (str(item) for item in value)


def _united(found: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    names: set[str] = set()
    for columns in found:
        if columns is None:
            return None
        names |= columns
    return frozenset(names)
