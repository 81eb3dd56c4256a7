"""What PostgreSQL's catalogue says about the tables of a plan. Everything here only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from perfkit.model.plan import PlanNode
from perfkit.model.sql_names import quoted

# Every database that perfkit.lab makes carries this at the start of its comment.
_LAB_MARK = '{"perfkit"'
_TABLE = """
SELECT c.oid, c.reltuples, pg_relation_size(c.oid), c.relkind::text, c.relispartition
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(name)s AND CASE
    WHEN %(schema)s::text IS NULL THEN pg_table_is_visible(c.oid)
    WHEN %(schema)s::text = 'pg_temp' THEN n.oid = pg_my_temp_schema()
    ELSE n.nspname = %(schema)s::text END
"""
_COLUMNS = """
SELECT a.attname, coalesce(max(s.avg_width), CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END),
       max(s.n_distinct)
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stats s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY a.attnum, a.attname, a.attlen ORDER BY a.attnum
"""
_INDEXES = """
SELECT c.relname, m.amname, i.indisvalid, pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnatts) k),
       i.indnkeyatts,
       ARRAY(SELECT CASE WHEN o.opcdefault THEN '' ELSE o.opcname::text END
             FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u(opclass, position)
             JOIN pg_catalog.pg_opclass o ON o.oid = u.opclass ORDER BY u.position),
       i.indoption::int[]
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
WHERE i.indrelid = %(oid)s ORDER BY c.relname
"""
_IS_LAB = """
SELECT starts_with(coalesce(shobj_description(oid, 'pg_database'), ''), %(mark)s), pg_is_in_recovery()
FROM pg_catalog.pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that exists. Keys, operator classes (empty for the default) and directions go together."""

    name: str
    method: str
    is_valid: bool
    predicate: str | None
    keys: tuple[str, ...]
    include: tuple[str, ...]
    opclasses: tuple[str, ...]
    descending: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its indexes. `widths` are average bytes by column; `rows` is -1 where nobody counted.

    `distinct` are the numbers of different values, for columns of which PostgreSQL takes them for constant.
    """

    name: str
    rows: float
    size_bytes: int
    kind: str
    is_partition: bool
    widths: Mapping[str, int]
    distinct: Mapping[str, float]
    indexes: tuple[Index, ...]

    @property
    def row_bytes(self) -> int:
        """Average bytes of one row's values."""
        return sum(self.widths.values())


@dataclass(frozen=True, slots=True)
class Server:
    """Whether this is a database of perfkit's lab, and whether it can only be read."""

    is_lab: bool
    is_replica: bool


def server(connection: Connection) -> Server:
    """Ask what kind of server this is."""
    row = connection.exec_driver_sql(_IS_LAB, {"mark": _LAB_MARK}).one()
    return Server(bool(row[0]), bool(row[1]))


def qualified(scan: PlanNode) -> str:
    """The table of a scan with its schema, whatever the search path is."""
    name = quoted(scan.relation_name or "")
    return f"{quoted(scan.schema)}.{name}" if scan.schema else name


def table(connection: Connection, scan: PlanNode) -> Table | None:
    """Look up the table of a scan; `None` where the catalogue has none of this name."""
    names = {"name": scan.relation_name, "schema": scan.schema}
    row = connection.exec_driver_sql(_TABLE, names).first()
    if row is None:
        return None
    oid, rows, bytes_on_disk, kind, is_partition = row
    columns = connection.exec_driver_sql(_COLUMNS, {"oid": oid}).all()
    widths = {name: int(width) for name, width, _ in columns}
    distinct = {name: float(count) for name, _, count in columns if count is not None and count > 0}
    indexes = _indexes(connection, oid)
    return Table(qualified(scan), rows, bytes_on_disk, kind, is_partition, widths, distinct, indexes)


def _indexes(connection: Connection, oid: int) -> tuple[Index, ...]:
    rows = connection.exec_driver_sql(_INDEXES, {"oid": oid})
    return tuple(_index(*row) for row in rows)


def _index(
    name: str,
    method: str,
    is_valid: bool,
    predicate: str | None,
    definitions: list[str],
    keys: int,
    opclasses: list[str],
    options: list[int],
) -> Index:
    descending = tuple(bool(option & 1) for option in options[:keys])
    parts = tuple(definitions[:keys]), tuple(definitions[keys:])
    return Index(name, method, is_valid, predicate, *parts, tuple(opclasses[:keys]), descending)


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
