"""The tables that plans name, for databases whose catalogue is asked by name alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from perfkit.capture.databases.errors import explain_error
from perfkit.model.catalog import Table
from perfkit.model.plan import Plan


def with_tables(plans: Sequence[Plan], look_up: Callable[[list[str]], Mapping[str, Table]]) -> list[Plan]:
    """Look up the tables of plans, all of them together.

    Args:
        plans: their nodes name the tables.
        look_up: returns what the catalogue says of these tables, by name; some it may not know.

    Returns:
        Each plan with its tables, or with a note where the catalogue may not be read.
    """
    names = {node.relation_name for plan in plans for node in plan.nodes() if node.relation_name}
    try:
        tables = look_up(sorted(names)) if names else {}
    except SQLAlchemyError as error:
        note = f"Nothing is known of the tables: {explain_error(error)}"
        return [replace(plan, notes=(*plan.notes, note)) for plan in plans]
    return [_with(plan, tables) for plan in plans]


def _with(plan: Plan, tables: Mapping[str, Table]) -> Plan:
    own = dict.fromkeys(node.relation_name for node in plan.nodes() if node.relation_name in tables)
    return replace(plan, tables=tuple(tables[name] for name in own if name))
