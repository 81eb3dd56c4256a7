"""The plan that production would choose: asked of a throwaway clone that is told larger tables.

Nothing is executed and no data is copied. The clone holds the schema; the planner is told numbers of rows,
statistics, and files of the right length. What comes out is an estimate, and is called one.

Measured on PostgreSQL 18: a table of 20,000 rows was told 5,000,000, and beside it the same table was really
made that large. Six statements got the same plan there, and their costs differed by 3.2 % at most.
"""

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.model.plan import Plan
from perfkit.model.production import GrownTable, ProductionPlan
from perfkit.model.wording import counted
from perfkit.proof import _production_sizes as sizes
from perfkit.proof import _what_if_catalog as catalog
from perfkit.proof._production_clone import Clone, CloneError, reading, throwaway_clone
from perfkit.proof._production_dump import DumpError, RestoreCall, read_dump
from perfkit.proof._production_files import FilesError, lengthen
from perfkit.proof._production_names import missing_tables

__all__ = ["at_production_size", "missing_tables"]

# pg_restore_relation_stats and pg_restore_attribute_stats came with it.
MIN_VERSION = 18
# The clone knows no tree heights, so lookups in indexes are cheaper there, by 0.13 for each level.
_CLOSE = 0.1
_CONFIRM = "confirm=True (in a cell: --yes)"
_UNKNOWN = (
    "What it cannot know: how values will be spread over more rows (their shares stay), how well rows will "
    "lie in order, what production's memory, disks and settings are, and how long it takes.",
    "Costs are the planner's units, no milliseconds. Lookups in an index are counted a little too cheap.",
)

Planner = Callable[[Connection], Plan]


def at_production_size(
    connection: Connection,
    plan: Plan,
    planned: Planner,
    *,
    rows: Mapping[str, float],
    dump: str | None = None,
    number: int = 0,
    confirmed: bool = False,
) -> ProductionPlan:
    """Ask what the planner would do with tables of another size.

    Args:
        connection: to the person's database, which is only read.
        plan: of the statement today, with what the catalogue says of its tables.
        planned: returns the plan of the statement on another connection, without executing it.
        rows: how many rows tables have, by name.
        dump: the output of `pg_dump --statistics-only` of the other database, applied before `rows`.
        number: of the plan in its trace.
        confirmed: that a database may be created, and dropped, on a server that is not perfkit's lab.

    Returns:
        The plan with what it cannot know, or why there is none.
    """
    try:
        calls = read_dump(dump) if dump is not None else ()
        _refuse(connection, confirmed)
        with throwaway_clone(connection, _major(connection)) as clone:
            return _planned(clone, plan, planned, rows, calls, number)
    except (CloneError, DumpError, FilesError, LookupError, RuntimeError) as error:
        return ProductionPlan(number, refusal=str(error.args[0] if error.args else error))
    except SQLAlchemyError as error:
        return ProductionPlan(number, refusal=f"The database refused ({type(error).__name__}).")


def _major(connection: Connection) -> int:
    return int((connection.dialect.server_version_info or (0,))[0])


def _refuse(connection: Connection, confirmed: bool) -> None:
    major = _major(connection)
    if major < MIN_VERSION:
        raise CloneError(
            f"Only PostgreSQL {MIN_VERSION} and later can be told statistics; this server has {major}."
        )
    with reading(connection):
        server = catalog.server(connection)
    if server.is_replica:
        raise CloneError("This server is a replica that can only be read, so there is no throwaway clone.")
    if not (server.is_lab or confirmed):
        raise CloneError(
            "This server is not perfkit's lab. An empty database would be created on it, and dropped. "
            f"If that is fine, give {_CONFIRM}."
        )


def _planned(
    clone: Clone,
    plan: Plan,
    planned: Planner,
    rows: Mapping[str, float],
    calls: Iterable[RestoreCall],
    number: int,
) -> ProductionPlan:
    with clone.engine.begin() as connection:
        sizes.restore(connection, read_dump(clone.statistics))
        sizes.match_today(connection, plan.tables)
    same = _asked(clone, plan, planned)
    with clone.engine.begin() as connection:
        unknown = sizes.restore(connection, calls)
        sizes.grow(connection, rows, plan.foreign_keys)
    then = _asked(clone, plan, planned)
    return ProductionPlan(
        number,
        plan.root.total_cost,
        then,
        tuple(_grown(plan, then)),
        (*_remarks(clone, plan, same, unknown), *_UNKNOWN),
    )


def _asked(clone: Clone, plan: Plan, planned: Planner) -> Plan:
    """Give the files their lengths, and ask with the settings of the person's session."""
    with clone.engine.connect() as connection:
        relations = [size.relation for size in sizes.sizes(connection)]
    lengthen(clone.data, relations)
    with clone.engine.connect() as connection:
        for name, value in plan.settings.items():
            connection.exec_driver_sql(
                "SELECT set_config(%(name)s, %(value)s, false)", {"name": name, "value": str(value)}
            )
        connection.commit()
        return planned(connection)


def _grown(plan: Plan, then: Plan) -> Iterable[GrownTable]:
    today = {table.name: table for table in plan.tables}
    for table in then.tables:
        before = today.get(table.name)
        if before is not None:
            yield GrownTable(table.shown_name, before.rows, table.rows, before.size_bytes, table.size_bytes)


def _remarks(clone: Clone, plan: Plan, same: Plan, unknown: int) -> Iterable[str]:
    yield (
        "An estimate of the planner: nothing was executed. It was asked on an empty copy of the schema, "
        f"{clone.name}, which was told these sizes and then dropped."
    )
    today, there = plan.root.total_cost or 0.0, same.root.total_cost or 0.0
    if abs(there - today) > _CLOSE * max(today, 1.0):
        yield f"Told today's sizes, the copy was {there:,.0f} and not {today:,.0f}: take the rest with care."
    if clone.missing:
        yield f"{counted(clone.missing, 'statement')} of the schema failed in the copy."
    if unknown:
        unknown_ones = counted(unknown, "statistic of the file is", "statistics of the file are")
        yield f"{unknown_ones} of tables or columns that are not here."
