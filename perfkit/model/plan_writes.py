"""Statements that write: how many rows, and which triggers and foreign keys took part."""

import re

from perfkit.model.catalog import ForeignKey
from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.sql_names import unquoted

_NAMES = re.compile(r'"(?:[^"]|"")*"|[^".]+')
# PostgreSQL's own triggers: "a" acts on the table that a key refers to, "c" checks the table that has it.
_KEY, _ACTION, _CHECK = "RI_ConstraintTrigger_", "RI_ConstraintTrigger_a", "RI_ConstraintTrigger_c"
# A search by an index for one deleted row takes some hundredths of a millisecond: 0.04 in our measurement,
# the deleting of what refers to it included.
CHECK_MS = 0.05
# From a millisecond for each row, the search for what refers to it reads a whole table (reference notes on
# EXPLAIN, rule 50).
MIN_SEARCH_MS = 1.0


def rows_written(node: PlanNode) -> float:
    """Rows that a ModifyTable was given to write, over all loops."""
    return sum(child.total_rows or 0.0 for child in node.children if child.parent_relationship == "Outer")


def writer_of(plan: Plan, relation_name: str | None) -> PlanNode | None:
    """The node that writes a table; the first that writes at all where a cascade reached the table."""
    writers = [node for node in plan.nodes() if node.node_type == "ModifyTable" and node.executed]
    own = (node for node in writers if node.relation_name == relation_name)
    return next(own, writers[0] if writers else None)


def is_key(trigger: TriggerTime) -> bool:
    """Whether a trigger is PostgreSQL's own, for a foreign key."""
    return trigger.name.startswith(_KEY)


def is_check(trigger: TriggerTime) -> bool:
    """Whether a trigger looks up what a new row refers to."""
    return trigger.name.startswith(_CHECK)


def key_of(plan: Plan, trigger: TriggerTime) -> ForeignKey | None:
    """The foreign key for which a trigger ran, `None` where it is another trigger or the key is not known."""
    if trigger.constraint_name is None:
        return None
    keys = [key for key in plan.foreign_keys if key.name == trigger.constraint_name]
    own = (
        key
        for key in keys
        if trigger.relation_name in (bare_name(key.table), bare_name(key.referenced_table))
    )
    return next(own, None)


def bare_name(table: str) -> str:
    """A table's name without its schema and quotes."""
    return unquoted(_NAMES.findall(table)[-1])


def searches_without_index(plan: Plan, trigger: TriggerTime, min_search_ms: float = MIN_SEARCH_MS) -> bool:
    """Whether a trigger looked for the rows that refer to a deleted one through a whole table.

    Args:
        plan: its foreign keys tell which have an index.
        trigger: one of its triggers.
        min_search_ms: milliseconds of one search, from which the time tells where the catalogue does not.
    """
    if trigger.constraint_name is None or not trigger.name.startswith(_ACTION):
        return False
    key = key_of(plan, trigger)
    if key is not None:
        return not key.is_indexed
    return trigger.time_ms >= min_search_ms * max(1.0, trigger.calls)
