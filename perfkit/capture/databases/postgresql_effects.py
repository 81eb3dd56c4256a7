"""What a rollback on PostgreSQL does not undo, found by looking before and after.

Sequences do not go back, and rows that were written stay on their pages, dead, until VACUUM. What functions
do outside of the database cannot be seen: it is named as something that may have happened (reference notes
on EXPLAIN, section 7).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from perfkit.capture.databases.postgresql_session import rows_or_none
from perfkit.capture.databases.sql_text import acting_functions
from perfkit.model.plan import Plan
from perfkit.model.sql_names import quoted

_SEQUENCES = """
SELECT q.seqrelid::regclass::text,
       CASE WHEN has_sequence_privilege(q.seqrelid, 'SELECT, USAGE')
            THEN coalesce(pg_sequence_last_value(q.seqrelid), q.seqstart - q.seqincrement) END,
       q.seqincrement
FROM pg_catalog.pg_sequence q JOIN pg_catalog.pg_class c ON c.oid = q.seqrelid
WHERE NOT pg_is_other_temp_schema(c.relnamespace)
"""
# The counters hold also what earlier transactions of the session did, until that has been reported.
_WRITTEN = """
SELECT relid, relid::regclass::text, n_tup_ins + n_tup_upd, n_tup_ins + n_tup_upd + n_tup_del
FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY 2
"""
_SIZES = """
SELECT c.oid::regclass::text, pg_relation_size(c.oid)
FROM unnest(%(names)s::text[]) AS name JOIN pg_catalog.pg_class c ON c.oid = to_regclass(name)
"""
_FOREIGN = """
SELECT c.oid::regclass::text
FROM unnest(%(names)s::text[]) AS name JOIN pg_catalog.pg_class c ON c.oid = to_regclass(name)
WHERE c.relkind = 'f'
"""
# What a trigger in these languages can do is undone, unless its text calls one of these for help.
_TRIGGERS = r"""
SELECT t.tgname, t.tgrelid::regclass::text, l.lanname
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE t.tgrelid = ANY (%(oids)s::oid[]) AND NOT t.tgisinternal AND t.tgenabled <> 'D'
  AND (l.lanname NOT IN ('plpgsql', 'sql', 'internal')
       OR p.prosrc ~* '\m(dblink\w*|http_\w+|lo_export|pg_background_launch|program|pg_\w*advisory\w*)\M')
ORDER BY t.tgname
"""
# Three names tell what happened; a list of a hundred would hide the plan.
_SHOWN = 3
_NOTHING: Mapping[int, tuple[str, int, int]] = {}


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before a statement was executed; `None` where the database did not tell."""

    sequences: Mapping[str, int | None] | None
    written: Mapping[int, tuple[str, int, int]]
    sizes: Mapping[str, int]
    names: tuple[str, ...]


def look(connection: Connection, plain: Plan) -> Before:
    """Remember what a rollback would not bring back, within a transaction that will be rolled back.

    Args:
        connection: where the statement will be executed.
        plain: its plan without execution, which names its tables.
    """
    named = {(node.schema, node.relation_name) for node in plain.nodes() if node.relation_name}
    names = tuple(f"{quoted(schema or '')}.{quoted(name)}" for schema, name in named if name and schema)
    sequences = rows_or_none(connection, _SEQUENCES)
    return Before(
        None if sequences is None else {name: last for name, last, _ in sequences},
        _written(connection),
        _sizes(connection, names),
        names,
    )


def side_effects(connection: Connection, before: Before, plan: Plan) -> tuple[str, ...]:
    """What the statement did that the rollback will not undo, in sentences, without values.

    Args:
        connection: where it was executed and undone, in the transaction that `look` saw.
        before: what `look` remembered.
        plan: its plan.
    """
    written = _written(connection, before.written)
    stays = [
        *_moved(connection, before.sequences),
        *_dead_rows(written.values()),
        *_growth(before.sizes, _sizes(connection, before.names)),
        *_wal(plan),
    ]
    may = _outside(connection, before.names, list(written), plan.query_text)
    return (
        *([f"A rollback does not undo: {'; '.join(stays)}."] if stays else []),
        *(f"May have acted outside of the transaction: {what}." for what in may),
    )


def _moved(connection: Connection, before: Mapping[str, int | None] | None) -> Iterator[str]:
    """Another session may have moved a sequence too; nobody can tell whose step it was."""
    after = rows_or_none(connection, _SEQUENCES)
    if before is None or after is None or None in before.values():
        yield "steps of sequences that this user may not look at"
    steps = {name: _steps(before.get(name), last, by) for name, last, by in after or []} if before else {}
    moved = _listed(f"{name} by {step:,}" for name, step in steps.items() if step)
    if moved:
        yield f"sequences moved on ({moved}), and with them currval() and lastval()"


def _steps(before: int | None, after: int | None, increment: int) -> int:
    return 0 if before is None or after is None else abs(after - before) // abs(increment)


def _written(
    connection: Connection, before: Mapping[int, tuple[str, int, int]] = _NOTHING
) -> dict[int, tuple[str, int, int]]:
    """By number, each table with its new row versions and all its changes since `before`."""
    known = {oid: (new, changes) for oid, (_, new, changes) in before.items()}
    rows = rows_or_none(connection, _WRITTEN) or []
    since = ((oid, name, new, changes, *known.get(oid, (0, 0))) for oid, name, new, changes in rows)
    return {
        oid: (name, new - new_before, changes - changes_before)
        for oid, name, new, changes, new_before, changes_before in since
        if changes > changes_before
    }


def _dead_rows(written: Iterable[tuple[str, int, int]]) -> Iterator[str]:
    """A deleted row lives on; a new version of it does not."""
    dead = _listed(f"{name} {versions:,}" for name, versions, _ in written if versions)
    if dead:
        yield f"dead rows until VACUUM ({dead})"


def _growth(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    grown = {name: size - before[name] for name, size in after.items() if size > before.get(name, size)}
    if grown:
        yield f"larger tables ({_listed(f'{name} by {size // 1024:,} kB' for name, size in grown.items())})"


def _wal(plan: Plan) -> Iterator[str]:
    """Without what triggers wrote: PostgreSQL counts WAL in nodes alone."""
    size = plan.root.attributes.get("WAL Bytes")
    if isinstance(size, int) and size >= 1024:
        yield f"at least {size // 1024:,} kB of WAL, which standbys and archives receive"


def _outside(
    connection: Connection, names: tuple[str, ...], oids: list[int], statement: str
) -> Iterator[str]:
    for function in acting_functions(statement, "postgres"):
        yield f"the function {function}"
    triggers = rows_or_none(connection, _TRIGGERS, {"oids": oids}) or []
    for trigger, table, language in triggers:
        yield f"the trigger {trigger} on {table}, written in {language}"
    for (table,) in rows_or_none(connection, _FOREIGN, {"names": list(names)}) or []:
        yield f"the foreign table {table}"


def _sizes(connection: Connection, names: tuple[str, ...]) -> dict[str, int]:
    rows = rows_or_none(connection, _SIZES, {"names": list(names)}) if names else None
    return {name: size for name, size in rows or [] if size is not None}


def _listed(parts: Iterable[str]) -> str:
    every = list(parts)
    more = [f"{len(every) - _SHOWN} more"] if len(every) > _SHOWN else []
    return ", ".join([*every[:_SHOWN], *more])
