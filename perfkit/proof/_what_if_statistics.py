"""Statistics worth collecting where a plan expects other numbers of rows than come. Nothing is tried here.

Which kind of extended statistics helps is not to be guessed: on city and postcode, `dependencies` corrected
an estimate of 1 to 96 (93 came), while with the default, all kinds, a list of the most common pairs that
holds only some of them took precedence and left it at 1; the list alone needed a target of 2000 (reference
notes on EXPLAIN, section 6). So each is tried.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_shape import cut_short, feeds_nested_loop, scan_below
from perfkit.proof._what_if_catalog import qualified
from perfkit.proof._what_if_conditions import column_arms, expressions
from perfkit.proof._what_if_designs import Design, unquoted

# The same as the rule about misestimates (reference notes on EXPLAIN, rule 39: depesz and pev2 mark ten).
MIN_FACTOR, MIN_DIFFERENCE, MIN_ROWS = 10.0, 1000.0, 10.0
# The worst estimates; what follows from them is wrong too.
MAX_NODES = 2
# Ten times the usual list of common values and histogram; a sample of 300 rows for each.
COLUMN_TARGET = 1000
# Enough pairs for the list to hold most of them (reference notes on EXPLAIN, section 6).
PAIRS_TARGET = 2000
_CONDITIONS = ("Filter", "Index Cond", "Recheck Cond")
_GROUP_KEY = re.compile(r'(?:(?:\w+|"[^"]+")\.)?(?P<column>\w+|"[^"]+")$')


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of extended statistics: as SQL wants it, in words, and how many pairs it may list."""

    sql: str
    words: str
    target: int | None = None


_DEPENDENT = (
    _Kind("(dependencies)", "dependent columns"),
    _Kind("(mcv)", "common pairs", PAIRS_TARGET),
    _Kind("", "columns together, all kinds,"),
)
_COMBINED = (_Kind("(ndistinct)", "combinations"),)


def statistics_designs(plan: Plan) -> Iterator[Design]:
    """What could correct the estimates of scans and groups that are far off."""
    early = cut_short(plan)
    wrong = [node for node in plan.nodes() if node.node_id not in early and _is_wrong(plan, node)]
    for node in sorted(wrong, key=lambda node: -(node.row_estimate_factor or 0.0))[:MAX_NODES]:
        if node.relation_name:
            yield from _for_scan(node)
        elif node.node_type == "Aggregate":
            yield from _for_groups(node)


def _is_wrong(plan: Plan, node: PlanNode) -> bool:
    actual, planned = node.actual_rows or 0.0, node.plan_rows or 0.0
    if max(actual, planned) < MIN_ROWS or (node.row_estimate_factor or 0.0) < MIN_FACTOR:
        return False
    difference = abs(actual - planned) * (node.actual_loops or 0)
    return difference >= MIN_DIFFERENCE or feeds_nested_loop(plan, node) is not None


def _for_scan(scan: PlanNode) -> Iterator[Design]:
    table = qualified(scan)
    shown = table.removeprefix("public.")
    arms = column_arms(scan, *_CONDITIONS)
    plain = list(dict.fromkeys(arm.column for arm in arms if arm.column))
    columns = [*plain, *(name for item in expressions(scan) for name in item.columns)]
    columns = list(dict.fromkeys(columns))
    analyze = _analyze(table, columns)
    what = f"fresh statistics of {shown}"
    yield _design(scan, scan, what, [analyze], f"ANALYZE {shown};")
    equal = list(dict.fromkeys(arm.column for arm in arms if arm.kind == "equality" and arm.column))
    if len(equal) > 1:
        for kind in _DEPENDENT:
            yield _extended(scan, scan, kind, equal)
    elif plain:
        yield _finer(scan, plain)


def _for_groups(aggregate: PlanNode) -> Iterator[Design]:
    """Groups by several plain columns of one table."""
    scan = scan_below(aggregate.children[0]) if len(aggregate.children) == 1 else None
    keys = aggregate.attributes.get("Group Key")
    matches = [_GROUP_KEY.match(str(key)) for key in keys] if isinstance(keys, list) else []
    columns = [match["column"] for match in matches if match]
    if scan is not None and len(columns) > 1 and len(columns) == len(matches):
        for kind in _COMBINED:
            yield _extended(aggregate, scan, kind, columns)


def _extended(node: PlanNode, scan: PlanNode, kind: _Kind, columns: Sequence[str]) -> Design:
    """`CREATE STATISTICS`. Only from PostgreSQL 16 on it finds a name itself, so one is given."""
    table, listed = qualified(scan), ", ".join(columns)
    shown = table.removeprefix("public.")
    own = "_".join([scan.relation_name or "", *map(unquoted, columns), "stats"])[:63]
    named = '"' + own.replace('"', '""') + '"'

    def statements(name: str, relation: str) -> list[str]:
        create = f"CREATE STATISTICS {name} {kind.sql} ON {listed} FROM {relation}"
        target = [f"ALTER STATISTICS {name} SET STATISTICS {kind.target}"] if kind.target else []
        return [create.replace("  ", " "), *target]

    tried = [*statements(f"perfkit_what_if_{secrets.token_hex(4)}", table), _analyze(table, columns)]
    paste = ";\n".join([*statements(named, shown), f"ANALYZE {shown};"])
    what = f"statistics on {kind.words} of {shown} ({listed})"
    return _design(node, scan, what, tried, paste)


def _finer(scan: PlanNode, columns: Sequence[str]) -> Design:
    """More common values and a finer histogram of single columns."""
    table = qualified(scan)
    shown = table.removeprefix("public.")
    changes = ", ".join(f"ALTER COLUMN {column} SET STATISTICS {COLUMN_TARGET}" for column in columns)
    what = f"finer statistics of {shown} ({', '.join(columns)})"
    tried = [f"ALTER TABLE {table} {changes}", _analyze(table, columns)]
    return _design(scan, scan, what, tried, f"ALTER TABLE {shown} {changes};\nANALYZE {shown};")


def _analyze(table: str, columns: Sequence[str]) -> str:
    """With columns named, ANALYZE leaves the counters alone by which autovacuum decides when to come."""
    return f"ANALYZE {table} ({', '.join(columns)})" if columns else f"ANALYZE {table}"


def _design(node: PlanNode, scan: PlanNode, what: str, tried: Sequence[str], paste: str) -> Design:
    shown = qualified(scan).removeprefix("public.")
    return Design("statistics", what, tuple(tried), paste, node, (node.node_id,), shown)
