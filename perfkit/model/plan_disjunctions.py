"""Conditions of a join that OR joins: which tables each side is about."""

from dataclasses import dataclass

from sqlglot import exp

from perfkit.model.plan import PlanNode
from perfkit.model.plan_conditions import parsed_condition
from perfkit.model.plan_predicates import predicates

__all__ = ["Disjunction", "disjunctions"]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Conditions that OR joins. `tables` are the aliases of all, in the order in which they stand."""

    arms: tuple[str, ...]
    tables: tuple[str, ...]


def disjunctions(node: PlanNode, condition: str) -> tuple[Disjunction, ...]:
    """The conditions of a join that OR joins.

    Args:
        node: a join.
        condition: under which name the condition stands in the plan.

    Returns:
        One for each; nothing where the condition has none.
    """
    found = (item for item in predicates(node, condition) if item.kind == "or")
    return tuple(_disjunction(tuple(arm.text for arm in item.arms), item.text) for item in found)


def _disjunction(arms: tuple[str, ...], text: str) -> Disjunction:
    tree = parsed_condition(text)
    columns = tree.find_all(exp.Column) if tree is not None else ()
    return Disjunction(arms, tuple(dict.fromkeys(column.table for column in columns if column.table)))
