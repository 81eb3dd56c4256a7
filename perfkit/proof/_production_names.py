"""Which tables a person may have meant. Asked of the person's database, which is only read."""

import difflib
from collections.abc import Iterable

from sqlalchemy.engine import Connection

from perfkit.proof._production_clone import reading

_SHOWN = 3
_MOST = 8
_NAMES = """
SELECT c.oid::regclass::text, n.nspname || '.' || c.relname, c.relkind = 'p'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
ORDER BY 1
"""


def missing_tables(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """The tables that cannot be given another size, each with a sentence that says what to give.

    Args:
        connection: to the person's database.
        names: as in a statement.
    """
    with reading(connection):
        rows = connection.exec_driver_sql(_NAMES, execution_options={"no_parameters": True}).all()
    plain = {
        name: shown for shown, full, is_partitioned in rows if not is_partitioned for name in (shown, full)
    }
    partitioned = {name for shown, full, is_partitioned in rows if is_partitioned for name in (shown, full)}
    return {
        name: _partitions_wanted(name) if name in partitioned else _unknown(name, plain)
        for name in names
        if name not in plain
    }


def _partitions_wanted(name: str) -> str:
    return f"The table {name} is partitioned: give the numbers of rows of its partitions."


def _unknown(name: str, known: dict[str, str]) -> str:
    bare = {shown.rpartition(".")[2]: shown for shown in known.values()}
    near = [bare[other] for other in difflib.get_close_matches(name.rpartition(".")[2], bare, n=_SHOWN)]
    if near:
        return f"There is no table {name}. Did you mean {' or '.join(near)}?"
    here = list(dict.fromkeys(known.values()))
    more = ", …" if len(here) > _MOST else ""
    return f"There is no table {name}. Tables here: {', '.join(here[:_MOST]) or 'none'}{more}."
