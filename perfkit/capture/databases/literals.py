"""Plans without the values that were bound to the statement.

PostgreSQL writes bound values into the conditions of a plan (`Filter: (email = 'ann@example.org')`). They
belong to the user's customers, not into a report. Constants of the statement's own text stay: the text is
shown anyway, and they make a condition readable.
"""

import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"""(?P<kept>"(?:[^"]|"")*" | `(?:[^`]|``)*`                      # a quoted name
        | (?:InitPlan|SubPlan)\s\d+ | \$\d+ | [A-Za-z_][\w$]*\b(?!')
        | ::(?:\w+|"[^"]+")(?:\svarying)?\(\d+(?:,\d+)?\))            # a type with its size
      | (?P<value>[EeBbXx]?'(?:[^'\\]|''|\\.)*' | 0x[0-9A-Fa-f]+ | \d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+)""",
    re.VERBOSE,
)
# Names and settings of the database, which hold no values.
_NAMES = frozenset(
    {
        "Node Type", "Parent Relationship", "Subplan Name", "Schema", "Relation Name", "Alias", "Index Name",
        "CTE Name", "Function Name", "Strategy", "Partial Mode", "Join Type", "Scan Direction", "Operation",
        "Sort Method", "Sort Space Type", "Command", "Trigger Name", "Constraint Name", "Relation", "Storage",
        "Cache Mode", "Tuplestore Name", "Custom Plan Provider", "Conflict Resolution",
        "Conflict Arbiter Indexes", "Settings", "Full-sort Groups", "Pre-sorted Groups", "Format",
        # MariaDB's and MySQL's
        "table_name", "access_type", "possible_keys", "key", "key_length", "used_key_parts", "filtered",
        "buffer_size", "join_type", "r_buffer_size", "r_sort_mode", "operation", "message",
    }
)  # fmt: skip


def hide_values(plan: Any, statement: str) -> Any:
    """A copy of a plan's JSON in which values that the statement's text does not show are `?`.

    Args:
        plan: what the database answered, decoded.
        statement: the statement without the values that were bound.
    """
    kept = frozenset(match["value"] for match in _TOKEN.finditer(statement) if match["value"])
    return _hide(plan, kept)


def _hide(value: Any, kept: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _TOKEN.sub(lambda match: _shown(match, kept), value)
    if isinstance(value, list):
        return [_hide(item, kept) for item in value]
    if isinstance(value, Mapping):
        return {key: item if key in _NAMES else _hide(item, kept) for key, item in value.items()}
    return value


def _shown(match: re.Match[str], kept: frozenset[str]) -> str:
    return "?" if match["value"] and match["value"] not in kept else match[0]
