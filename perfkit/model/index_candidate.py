"""The index that would serve a scan: equality first, then the order that is asked for, then one range."""

from dataclasses import dataclass

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_conditions import Arm, SortColumn, filter_arms, sort_columns
from perfkit.model.plan_shape import is_limited, sort_above
from perfkit.model.sql_names import quoted

# More columns make an index larger without making it more selective (PgHero stops at two).
MAX_COLUMNS = 4
# A sort is worth an index column when it takes a fifth of the time (reference notes, rule 31) or a LIMIT
# lets the index stop early.
SORT_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class IndexCandidate:
    """An index that was not tried yet. `has_cast` says that a column is cast to text in the filter."""

    relation: str
    columns: tuple[str, ...]
    has_cast: bool = False

    @property
    def statement(self) -> str:
        """The `CREATE INDEX` to paste; the database chooses the name."""
        return f"CREATE INDEX ON {self.relation} ({', '.join(self.columns)});"


def index_candidate(plan: Plan, scan: PlanNode) -> IndexCandidate | None:
    """Choose the columns of an index for a scan's filter.

    Equality conditions come first in any order, then the sort keys if the rows are wanted in order, then
    one range: only a contiguous prefix of an index narrows what is read (Use The Index, Luke; measured in
    the reference notes on EXPLAIN, section 5).

    Args:
        plan: the plan of the statement.
        scan: a scan of one table, with a filter.

    Returns:
        The candidate, `None` where no condition compares a plain column with a value.
    """
    return index_for_arms(scan, filter_arms(scan), _wanted_order(plan, scan))


def index_for_arms(
    scan: PlanNode, arms: tuple[Arm, ...], wanted: tuple[SortColumn, ...] = ()
) -> IndexCandidate | None:
    """Choose the columns of an index for conditions that AND joins.

    Args:
        scan: a scan of the table.
        arms: the conditions.
        wanted: the order of the rows; it counts where a condition of equality stands before it.

    Returns:
        The candidate, `None` where no condition compares a plain column with a value.
    """
    equal = _columns(arms, "equality")
    ranges = [column for column in _columns(arms, "range") if column not in equal]
    if not scan.relation_name or not (equal or ranges):
        return None
    order = [key for key in wanted if key.column not in equal] if equal else []
    sorted_names = [key.column for key in order]
    columns = [*equal, *_directed(order), *[name for name in ranges if name not in sorted_names][:1]]
    used = {*equal, *sorted_names, *ranges[:1]}
    return IndexCandidate(
        relation=relation(scan),
        columns=tuple(columns[:MAX_COLUMNS]),
        has_cast=any(arm.is_cast for arm in arms if arm.column in used),
    )


def relation(scan: PlanNode) -> str:
    """The table of a scan as SQL wants it, with its schema unless that is `public`."""
    name = quoted(scan.relation_name or "")
    return name if scan.schema in (None, "public") else f"{quoted(scan.schema or '')}.{name}"


def ordering(keys: tuple[SortColumn, ...]) -> tuple[str, ...]:
    """Index columns for sort keys; an index is read backwards when all of them descend."""
    return tuple(_directed(list(keys)))


def _columns(arms: tuple[Arm, ...], kind: str) -> list[str]:
    return list(dict.fromkeys(arm.column for arm in arms if arm.kind == kind and arm.column))


def _wanted_order(plan: Plan, scan: PlanNode) -> tuple[SortColumn, ...]:
    sort = sort_above(plan, scan)
    if sort is None:
        return ()
    costly = (sort.self_time_ms or 0.0) >= SORT_SHARE * (plan.duration_ms or 0.0)
    return sort_columns(sort, scan) if costly or is_limited(plan, sort) else ()


def _directed(keys: list[SortColumn]) -> list[str]:
    mixed = len({(key.descending, key.nulls) for key in keys}) > 1 or any(key.nulls for key in keys)
    return [_key(key) if mixed else key.column for key in keys]


def _key(key: SortColumn) -> str:
    words = [key.column, "DESC" if key.descending else "", key.nulls]
    return " ".join(word for word in words if word)
