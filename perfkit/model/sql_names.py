"""Names of tables and columns, quoted where SQL wants that."""

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
# `pg_get_keywords()` of PostgreSQL 18, categories R and T: the words that name no table without quotes.
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
    collation column concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end
    except false fetch for foreign freeze from full grant group having ilike in initially inner intersect into
    is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on
    only or order outer overlaps placing primary references returning right select session_user similar some
    symmetric system_user table tablesample then to trailing true union unique user using variadic verbose
    when where window with
    """.split()  # noqa: SIM905 - a list of a hundred strings would not be read by anybody
)


def unquoted(name: str) -> str:
    """The name as the catalog has it.

    Args:
        name: as it stands in a statement, with or without double quotes.
    """
    return name[1:-1].replace('""', '"') if name.startswith('"') and name.endswith('"') else name


def quoted(name: str) -> str:
    """The name as it must stand in a statement.

    Args:
        name: as the catalog has it.

    Returns:
        The name itself, or in double quotes where it has capitals or other characters, or is reserved.
    """
    if _PLAIN.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'
