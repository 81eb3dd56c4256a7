"""What PostgreSQL's catalogue says about the tables of a plan. Everything here only reads."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from perfkit.capture.databases.postgresql_session import ask
from perfkit.model.catalog import Column, ForeignKey, Index, Table
from perfkit.model.plan import Plan
from perfkit.model.sql_names import quoted

# A plan over more tables than this is one over partitions; the first ones tell what the others are like.
MAX_TABLES = 40
_TEMPORARY = "pg_temp"
_T = TypeVar("_T")
_TABLES = """
SELECT c.oid, n.nspname, c.relname, c.reltuples, c.relpages, pg_relation_size(c.oid), c.relkind::text,
       c.relispartition, pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid),
       pg_stat_get_mod_since_analyze(c.oid),
       -- The statistics show themselves to those alone who may read the table.
       CASE WHEN has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid)
            THEN EXISTS (SELECT FROM pg_catalog.pg_stats s
                         WHERE s.schemaname = n.nspname AND s.tablename = c.relname) END,
       EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = c.oid),
       (SELECT format('%%I.%%I', m.nspname, p.relname) FROM pg_catalog.pg_class p
        JOIN pg_catalog.pg_namespace m ON m.oid = p.relnamespace WHERE p.oid = h.inhparent),
       pg_get_partkeydef(h.inhparent),
       (SELECT count(*) FROM pg_catalog.pg_inherits o WHERE o.inhparent = h.inhparent)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid AND c.relispartition
WHERE (c.relname, CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END)
    IN (SELECT name, coalesce(schema, n.nspname)
        FROM json_to_recordset(%(names)s::json) AS wanted(name text, schema text)
        WHERE schema IS NOT NULL OR pg_table_is_visible(c.oid))
"""
_COLUMNS = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
       coalesce(s.avg_width, CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END), s.n_distinct, s.correlation,
       l.collname, NOT a.attnotnull
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN LATERAL (
    SELECT max(avg_width) AS avg_width, max(n_distinct) AS n_distinct, max(correlation) AS correlation
    FROM pg_catalog.pg_stats p
    WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = a.attname
) s ON true
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
_INDEXES = """
SELECT i.indrelid, c.relname, m.amname, i.indisvalid, pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnatts) k),
       i.indnkeyatts,
       ARRAY(SELECT CASE WHEN o.opcdefault THEN '' ELSE o.opcname::text END
             FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS u(opclass, position)
             JOIN pg_catalog.pg_opclass o ON o.oid = u.opclass ORDER BY u.position),
       i.indoption::int[], i.indisunique, pg_relation_size(i.indexrelid),
       pg_stat_get_numscans(i.indexrelid)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
WHERE i.indrelid = ANY (%(oids)s::oid[]) ORDER BY i.indrelid, c.relname
"""
_FOREIGN_KEYS = """
SELECT k.conrelid, k.confrelid, k.conname, k.conrelid::regclass::text,
       ARRAY(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY AS u(number, position)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
             ORDER BY u.position),
       k.confrelid::regclass::text,
       EXISTS (SELECT FROM pg_catalog.pg_index i
               WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
                 AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey
                 AND (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] <@ k.conkey),
       k.condeferred
FROM pg_catalog.pg_constraint k
WHERE k.contype = 'f' AND (k.conrelid = ANY (%(oids)s::oid[]) OR k.confrelid = ANY (%(oids)s::oid[]))
ORDER BY k.conname
"""


def with_catalog(connection: Connection, plans: Sequence[Plan]) -> list[Plan]:
    """Look up the tables of plans, all of them together.

    Args:
        connection: where the plans were made, in a transaction whose end the caller sees to.
        plans: their nodes name the tables.

    Returns:
        Each plan with its tables, up to 40 of them, and the foreign keys to and from these.
    """
    wanted = dict.fromkeys(name for plan in plans for name in _names(plan))
    names = json.dumps([{"name": name, "schema": schema} for name, schema in wanted])
    rows = ask(connection, _TABLES, {"names": names})
    oids = {"oids": [row[0] for row in rows]}
    columns = _grouped((oid, Column(*column)) for oid, *column in ask(connection, _COLUMNS, oids))
    indexes = _grouped((oid, _index(*index)) for oid, *index in ask(connection, _INDEXES, oids))
    keys = [(key[:2], _foreign_key(*key[2:])) for key in ask(connection, _FOREIGN_KEYS, oids)]
    tables = {row[0]: _table(row, tuple(columns[row[0]]), tuple(indexes[row[0]])) for row in rows}
    return [_with_facts(plan, tables, keys) for plan in plans]


def _names(plan: Plan) -> list[tuple[str, str | None]]:
    names = dict.fromkeys((node.relation_name, node.schema) for node in plan.nodes() if node.relation_name)
    return [(name, schema) for name, schema in names if name][:MAX_TABLES]


def _grouped(pairs: Iterable[tuple[int, _T]]) -> defaultdict[int, list[_T]]:
    groups: defaultdict[int, list[_T]] = defaultdict(list)
    for oid, item in pairs:
        groups[oid].append(item)
    return groups


def _with_facts(plan: Plan, tables: Mapping[int, Table], keys: list[tuple[Any, ForeignKey]]) -> Plan:
    names = _names(plan)
    own = {oid: table for oid, table in tables.items() if _is_named(table, names)}
    return replace(
        plan,
        tables=tuple(own.values()),
        foreign_keys=tuple(key for ends, key in keys if not own.keys().isdisjoint(ends)),
    )


def _is_named(table: Table, names: list[tuple[str, str | None]]) -> bool:
    schema = _TEMPORARY if table.schema.startswith(_TEMPORARY) else table.schema
    return any(name == table.relation_name and (at in (None, schema, table.schema)) for name, at in names)


def _foreign_key(
    name: str, table: str, columns: list[str], referenced: str, is_indexed: bool, is_deferred: bool
) -> ForeignKey:
    return ForeignKey(name, table, tuple(columns), referenced, is_indexed, is_deferred)


def _table(row: Any, columns: tuple[Column, ...], indexes: tuple[Index, ...]) -> Table:
    _, schema, name, rows, pages, size, kind, is_partition, live, dead, modified, *more = row
    analyzed, extended, parent, partition_key, partition_count = more
    # `pg_temp_3` is the session's own `pg_temp`, as its plans write it.
    shown_schema = _TEMPORARY if schema.startswith(_TEMPORARY) else schema
    return Table(
        f"{quoted(shown_schema)}.{quoted(name)}",
        float(rows),
        size,
        kind,
        is_partition,
        columns,
        indexes,
        schema=schema,
        relation_name=name,
        pages=pages,
        live_rows=float(live),
        dead_rows=float(dead),
        modified_rows=float(modified),
        is_analyzed=analyzed,
        has_extended_statistics=extended,
        parent=parent,
        partition_key=partition_key,
        partition_count=partition_count if parent else None,
    )


def _index(
    name: str,
    method: str,
    is_valid: bool,
    predicate: str | None,
    definitions: list[str],
    keys: int,
    opclasses: list[str],
    options: list[int],
    is_unique: bool,
    size_bytes: int,
    scans: int,
) -> Index:
    return Index(
        name,
        method,
        is_valid,
        predicate,
        tuple(definitions[:keys]),
        tuple(definitions[keys:]),
        tuple(opclasses[:keys]),
        tuple(bool(option & 1) for option in options[:keys]),
        is_unique,
        size_bytes,
        scans,
    )
