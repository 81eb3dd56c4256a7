"""The plan of a statement for tables of another size, and the file with another database's statistics."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from perfkit.capture import plans
from perfkit.model.plan import Plan
from perfkit.model.production import ProductionPlan
from perfkit.proof import production
from perfkit.session.proving import own_connection


def missing_tables(connectable: Any, names: Iterable[str]) -> dict[str, str]:
    """The tables that are not there, each with a sentence on what may be meant; nothing where nobody can say.

    Args:
        connectable: what `plans.explain` took.
        names: of tables.
    """
    if getattr(getattr(connectable, "dialect", None), "name", "") != "postgresql":
        return {}
    try:
        with own_connection(connectable) as connection:
            return production.missing_tables(connection, names)
    except SQLAlchemyError:
        return {}  # what is asked for next says why


def at_size(
    connectable: Any,
    statement: str,
    parameters: Any,
    plan: Plan,
    *,
    rows: Mapping[str, float],
    stats: str | Path | None,
    confirmed: bool,
) -> ProductionPlan:
    """Ask what the planner would do with tables of another size.

    Args:
        connectable: what `plans.explain` took.
        statement: SQL text.
        parameters: its values.
        plan: its plan today.
        rows: how many rows tables have, by name.
        stats: a file that `pg_dump --statistics-only` wrote, `None` for today's statistics.
        confirmed: see `production.at_production_size`.

    Returns:
        The plan, or why there is none.
    """
    if plan.system_name != "postgresql":
        return ProductionPlan(0, refusal="Only PostgreSQL can be told statistics of another size.")
    wrong = [name for name, count in rows.items() if not 1 <= count <= 1e15]
    if wrong:
        return ProductionPlan(0, refusal=f"Give {wrong[0]} a number of rows, 1 or more.")
    try:
        dump = Path(stats).read_text(encoding="utf-8") if stats is not None else None
    except (OSError, UnicodeDecodeError) as error:
        return ProductionPlan(0, refusal=f"The file {stats} cannot be read ({type(error).__name__}).")
    planned = partial(plans.explain, statement=statement, parameters=parameters, analyze=False)
    try:
        with own_connection(connectable) as connection:
            return production.at_production_size(
                connection, plan, planned, rows=rows, dump=dump, confirmed=confirmed
            )
    except SQLAlchemyError as error:
        return ProductionPlan(0, refusal=f"No connection to the database ({type(error).__name__}).")
