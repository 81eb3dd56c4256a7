"""The shares that the planner assumes where it has no statistics to go by.

PostgreSQL's `selfuncs.h` and `plancat.c`: one row in 200 for an equality, a third for an inequality, one in
200 for a range with two ends, and 200 different values where none were counted.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from perfkit.model.catalog import Table
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import parsed_condition
from perfkit.model.plan_joins import aliases_below, join_sides, mentions
from perfkit.model.plan_predicates import Predicate, predicates
from perfkit.model.plan_scans import number, repeats, rows_read
from perfkit.model.sql_names import unquoted
from perfkit.model.sql_tree import conjuncts

EQUAL_SHARE, RANGE_SHARE, INTERVAL_SHARE = 0.005, 1 / 3, 0.005
DEFAULT_GROUPS = 200
_BLOCK_BYTES = 8192
# The planner rounds to whole rows, once for each process, and knows the table's size only roughly.
_TOLERANCE, _ROUNDING = 0.02, 2.0
_EXPRESSIONS = frozenset({"function", "arithmetic", "cast", "json"})
_RANGES = {"<": "end", "<=": "end", ">": "start", ">=": "start"}
# A leader takes part in the work, the less the more workers it has to serve (costsize.c).
_LEADER_LOSS = 0.3
_INEQUALITIES = (exp.GT, exp.GTE, exp.LT, exp.LTE)


@dataclass(frozen=True, slots=True)
class Guess:
    """A filter for which the planner has no statistics: its share of the rows, and the conditions."""

    share: float
    predicates: tuple[Predicate, ...]


def guessed_filter(plan: Plan, scan: PlanNode) -> Guess | None:
    """Recognise a scan whose expected rows are nothing but the planner's assumption for its filter.

    Args:
        plan: the plan of the statement.
        scan: a scan that reads its whole table.

    Returns:
        The assumption, `None` where the filter has statistics to go by or the number is another.
    """
    if scan.node_type != "Seq Scan" or not (scan.actual_loops or 0):
        return None
    found = predicates(scan)
    table = plan.table_of(scan)
    share = _share(found, table)
    if share is None or scan.plan_rows is None:
        return None
    expected, unknown = table_rows(plan, scan) * share, tuple(i for i in found if _is_unknown(i, table))
    return Guess(share, unknown) if _is_same(scan.plan_rows * _divisor(plan, scan), expected) else None


def _is_same(planned: float, expected: float) -> bool:
    return abs(planned - expected) <= max(_ROUNDING, _TOLERANCE * expected)


def _share(found: tuple[Predicate, ...], table: Table | None) -> float | None:
    """The product of what the planner assumes; conditions on plain columns are taken to leave all rows.

    `None` where there is nothing to assume, or a condition of which it is not known what the planner takes.
    """
    unknown = tuple(item for item in found if _is_unknown(item, table))
    if not unknown or any(item.kind != "plain" for item in found if item not in unknown):
        return None
    return _product(unknown)


def _product(unknown: tuple[Predicate, ...]) -> float:
    whole, ends = 1.0, dict[str, set[str]]()
    for item in unknown:
        if item.operator in _RANGES:
            ends.setdefault(item.expression, set()).add(_RANGES[item.operator])
        else:
            whole *= EQUAL_SHARE if item.operator == "=" else 1 - EQUAL_SHARE
    for sides in ends.values():
        whole *= INTERVAL_SHARE if len(sides) > 1 else RANGE_SHARE
    return whole


def _is_unknown(item: Predicate, table: Table | None) -> bool:
    """Whether nobody counted the values of the expression, or the value is not known when planning."""
    if item.kind == "plain":
        return item.operator in _RANGES and "InitPlan" in item.value
    is_compared = item.operator in (*_RANGES, "=", "<>")
    return is_compared and item.kind in _EXPRESSIONS and not _is_relabelled(item, table)


def _is_relabelled(item: Predicate, table: Table | None) -> bool:
    """A varchar shown as text is the column itself, and has its statistics."""
    if item.type_name != "text":
        return False
    known = table.column(unquoted(item.columns[0])) if table and item.columns else None
    return known is None or known.type_name.startswith("character varying")


def table_rows(plan: Plan, scan: PlanNode) -> float:
    """How many rows the planner takes a table to have: as dense as when it was analysed, at today's size."""
    table = plan.table_of(scan)
    if table is not None and table.rows >= 0 and table.pages > 0:
        return table.rows / table.pages * table.size_bytes / _BLOCK_BYTES
    return rows_read(scan) / max(1.0, repeats(scan))


def _divisor(plan: Plan, scan: PlanNode) -> float:
    """By how much the rows of a scan are divided among the processes that share it."""
    parent = plan.parents.get(scan.node_id) if scan.attributes.get("Parallel Aware") is True else None
    while parent is not None and parent.node_type not in ("Gather", "Gather Merge"):
        parent = plan.parents.get(parent.node_id)
    workers = number(parent, "Workers Planned") if parent is not None else 0.0
    return workers + max(0.0, 1 - _LEADER_LOSS * workers)


def guessed_result(plan: Plan, item: PlanNode) -> Guess | None:
    """Recognise the planner's assumption for a condition on what a CTE or a sub-query returned.

    Args:
        plan: the plan of the statement.
        item: a scan of the CTE or sub-query.

    Returns:
        The assumption, `None` where the number is another.
    """
    source = _source(plan, item)
    found = predicates(item)
    if source is None or source.plan_rows is None or not found or item.plan_rows is None:
        return None
    if any(one.kind not in _EXPRESSIONS | {"plain"} or not one.operator for one in found):
        return None
    share = _product(found)
    return Guess(share, found) if _is_same(item.plan_rows, source.plan_rows * share) else None


def _source(plan: Plan, item: PlanNode) -> PlanNode | None:
    """The node whose rows a scan of a CTE or sub-query reads."""
    if item.node_type == "Subquery Scan":
        return next((child for child in item.children if child.parent_relationship == "Subquery"), None)
    name = f"CTE {item.attributes.get('CTE Name')}" if item.node_type == "CTE Scan" else ""
    return next((node for node in plan.nodes() if name and node.subplan_name == name), None)


def guessed_groups(item: PlanNode) -> bool:
    """Whether the number of groups is the one that the planner takes for values that nobody counted."""
    return item.node_type == "Aggregate" and bool(_only_key(item)) and item.plan_rows == DEFAULT_GROUPS


def group_expression(plan: Plan, item: PlanNode) -> tuple[PlanNode, str] | None:
    """The expression by whose values an aggregate groups far fewer groups than expected.

    Without statistics on the expression the planner takes as many groups as its columns have values.

    Returns:
        The scan of the one table that it is made of, and the expression as SQL wants it; `None` where the
        key is a plain column, or not of a table.
    """
    key = _only_key(item)
    if item.node_type != "Aggregate" or not key or (item.actual_rows or 0.0) >= (item.plan_rows or 0.0):
        return None
    for scan in item.walk():
        # As a condition, so that it can be taken apart.
        made = predicates(replace(scan, attributes={"Filter": f"({key} = 1)"})) if scan.relation_name else ()
        if len(made) == 1 and made[0].kind in _EXPRESSIONS and made[0].is_fixed:
            return scan, made[0].index_key
    return None


def _only_key(item: PlanNode) -> str:
    keys = item.attributes.get("Group Key")
    return str(keys[0]) if isinstance(keys, list) and len(keys) == 1 else ""


def guessed_join(join: PlanNode) -> bool:
    """Whether a join by inequalities alone has the number that the planner takes for any such."""
    sides = join_sides(join)
    count = _inequalities(join.attributes.get("Join Filter"))
    if sides is None or not count or {"Hash Cond", "Merge Cond"} & set(join.attributes):
        return False
    outer, inner = sides
    if mentions(inner, aliases_below(outer)):
        return False
    pairs = (outer.plan_rows or 0.0) * (inner.plan_rows or 0.0)
    return _is_same(join.plan_rows or 0.0, pairs * RANGE_SHARE**count)


def _inequalities(condition: object) -> int:
    """How many conditions there are, 0 where one of them is no inequality."""
    tree = parsed_condition(condition) if isinstance(condition, str) else None
    if tree is None:
        return 0
    arms = list(conjuncts(tree))
    return len(arms) if all(isinstance(arm, _INEQUALITIES) for arm in arms) else 0
