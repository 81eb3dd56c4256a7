"""What a proof asks of PostgreSQL beside plans. Everything here only reads."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from perfkit.model.catalog import Table
from perfkit.model.plan import PlanNode
from perfkit.model.sql_names import quoted

# Every database that perfkit.lab makes carries this at the start of its comment.
_LAB_MARK = '{"perfkit"'
_IS_LAB = """
SELECT starts_with(coalesce(shobj_description(oid, 'pg_database'), ''), %(mark)s), pg_is_in_recovery(),
       (SELECT quote_ident(nspname) FROM pg_catalog.pg_extension e
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_trgm'),
       (SELECT quote_ident(nspname) FROM pg_catalog.pg_extension e
        JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'hypopg')
FROM pg_catalog.pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Whether this is a database of perfkit's lab, and whether it can only be read.

    `trigrams` and `hypopg` are the schemas of the extensions pg_trgm and hypopg, as SQL wants them; `None`
    where they are not installed.
    """

    is_lab: bool
    is_replica: bool
    trigrams: str | None = None
    hypopg: str | None = None


def server(connection: Connection) -> Server:
    """Ask what kind of server this is."""
    row = connection.exec_driver_sql(_IS_LAB, {"mark": _LAB_MARK}).one()
    return Server(bool(row[0]), bool(row[1]), row[2], row[3])


def qualified(scan: PlanNode) -> str:
    """The table of a scan with its schema, whatever the search path is."""
    name = quoted(scan.relation_name or "")
    return f"{quoted(scan.schema)}.{name}" if scan.schema else name


def expected_share(connection: Connection, table: Table, predicate: str) -> float | None:
    """The share of a table's rows that the planner expects to meet a condition, from 0 to 1."""
    sql = f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {table.name} WHERE {predicate}"  # noqa: S608  names and
    # constants of the statement itself, quoted; a plain EXPLAIN executes nothing
    answer: Any = connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar()
    plan = answer[0]["Plan"] if isinstance(answer, list) else None
    if plan is None or table.rows <= 0:
        return None
    return min(1.0, float(plan["Plan Rows"]) / table.rows)


def must_wait(connection: Connection, index_name: str) -> bool:
    """Whether older transactions keep an index that was just built from being used in this one."""
    row = connection.exec_driver_sql(
        "SELECT i.indcheckxmin FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid "
        "WHERE c.relname = %(name)s",
        {"name": index_name},
    ).first()
    return row is not None and bool(row[0])


def size_bytes(connection: Connection, index_name: str, schema: str | None) -> int:
    """The size of an index that was just built, in bytes."""
    name = f"{quoted(schema)}.{index_name}" if schema else index_name
    answer = connection.exec_driver_sql("SELECT pg_relation_size(%(name)s::regclass)", {"name": name})
    return int(answer.scalar() or 0)
