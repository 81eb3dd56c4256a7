"""All partitions of a table are searched for rows that lie in few of them.

What it finds
    A statement that reads three or more partitions of one table with a condition that says nothing about how
    the table is divided, or says it in a way that PostgreSQL cannot use.

Why is this slow
    Partitions help only where the planner can leave them out. Without a condition on the partition key each
    of them is planned, locked and searched, so the work grows with every new month.

Example
    SELECT * FROM events WHERE date_trunc('month', created_at) = '2025-02-01'
    on a table with a partition a month: all of them are read, for the key is inside a function.

Use instead
    WHERE created_at >= '2025-02-01' AND created_at < '2025-03-01'
    compares the key itself. Where the statement cannot know the key: an index on the parent table, which
    every partition gets, on the columns that it does know.

Thresholds
    min_partitions (3): partitions that were read.
    max_kept_share (0.1): rows kept for each row read, over all partitions. Where more are kept, reading is
        what was asked for, unless half of the partitions gave none.
    min_time_share (0.2): the partitions' share of the execution time.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The key is compared, or the planner left a partition out, by whatever condition. Partitions were left out
    when the statement ran, or a LIMIT stopped before the last ones. There is no condition at all: the whole
    table is wanted. The parts are those of UNION ALL, not partitions. The catalogue was not asked.
"""

import re
from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import index_candidate
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_columns import mentioned_columns
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_scans import index_arms, index_scans, number, removed_ms, rows_read
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK216", "partitions-not-pruned"
_KEY_COLUMNS = re.compile(r'"(?:[^"]|"")+"|\w+')
_EMPTY_SHARE = 0.5


def partitions_not_pruned(
    trace: Trace, *, min_partitions: int = 3, max_kept_share: float = 0.1, min_time_share: float = 0.2
) -> Iterator[Finding]:
    """Find partitions that were searched in vain.

    Args:
        trace: a block with plans.
        min_partitions: partitions that were read.
        max_kept_share: rows kept for each row read, from 0 to 1.
        min_time_share: the partitions' share of the execution time, from 0 to 1.
    """
    for position, plan, duration_ms in measured_plans(trace):
        for append in plan.nodes():
            scans = _partition_scans(append)
            parent = _parent(plan, scans) if len(scans) >= max(2, min_partitions) else None
            if parent is None or not _is_unpruned(scans, parent):
                continue
            took_ms = sum(scan.total_time_ms or 0.0 for scan in scans)
            if took_ms < min_time_share * duration_ms or not _is_picky(scans, max_kept_share):
                continue
            if is_worth_a_line(_saving_ms(plan, scans), duration_ms):
                yield _finding(trace, position, plan, append, scans, parent)


def _partition_scans(append: PlanNode) -> tuple[PlanNode, ...]:
    """The scans that an Append puts together; nothing where one of them did not run or was left out."""
    if append.node_type not in ("Append", "Merge Append") or number(append, "Subplans Removed"):
        return ()
    scans = [next((item for item in child.walk() if item.relation_name), child) for child in append.children]
    return tuple(scans) if all(scan.executed and scan.relation_name for scan in scans) else ()


def _parent(plan: Plan, scans: tuple[PlanNode, ...]) -> Table | None:
    """What the catalogue says of the partitions, as one of them has it; `None` unless all have one parent.

    It knows the first forty tables of a plan; the others are taken for what these are.
    """
    tables = [table for table in map(plan.table_of, scans) if table is not None]
    parents = {table.parent for table in tables}
    return tables[0] if tables and len(parents) == 1 and tables[0].partition_key else None


def _key_columns(table: Table) -> set[str]:
    """The names in a partition key, which may be an expression: its functions do no harm here."""
    inside = (table.partition_key or "").partition("(")[2]
    return set(_KEY_COLUMNS.findall(inside))


def _is_unpruned(scans: tuple[PlanNode, ...], table: Table) -> bool:
    """Whether all partitions were read, by a condition that does not compare the key itself."""
    if table.partition_count is None or len(scans) < table.partition_count:
        return False
    # All have the same conditions, and there may be a thousand of them.
    compared = {arm.column for arm in (*filter_arms(scans[0]), *index_arms(scans[0]))}
    return bool(_conditions(scans[0])) and not compared & _key_columns(table)


def _conditions(scan: PlanNode) -> tuple[str, ...]:
    searched = (part.attributes.get("Index Cond") for part in index_scans(scan))
    return tuple(str(text) for text in (scan.attributes.get("Filter"), *searched) if text)


def _is_picky(scans: tuple[PlanNode, ...], max_kept_share: float) -> bool:
    kept, read = sum(scan.total_rows or 0.0 for scan in scans), sum(map(rows_read, scans))
    empty = sum(not scan.total_rows for scan in scans)
    return kept <= max_kept_share * read or empty >= _EMPTY_SHARE * len(scans)


def _saving_ms(plan: Plan, scans: tuple[PlanNode, ...]) -> float:
    """What the partitions without a row took, or what an index would spare in all of them."""
    empty = sum(scan.total_time_ms or 0.0 for scan in scans if not scan.total_rows)
    if not _index_on(plan, scans[0]):
        return empty
    return max(empty, sum(removed_ms(scan) for scan in scans))


def _index_on(plan: Plan, scan: PlanNode) -> str:
    """The columns of the index that a partition lacks, as `CREATE INDEX` wants them; empty if none."""
    candidate = index_candidate(plan, scan) if scan.node_type == "Seq Scan" else None
    return ", ".join(candidate.columns) if candidate is not None else ""


def _advice(plan: Plan, scans: tuple[PlanNode, ...], table: Table) -> str:
    keys = _key_columns(table)
    mentioned: set[str] = set()
    for text in _conditions(scans[0]):
        mentioned |= mentioned_columns(scans[0], text) or frozenset()
    if mentioned & keys:
        key = min(mentioned & keys)
        return (
            f"{key} stands inside an expression, so no partition can be left out. Compare the column itself, "
            f"for a span of time as a half-open range.\nWHERE {key} >= :from_value AND {key} < :to_value"
        )
    columns, parent = _index_on(plan, scans[0]), (table.parent or "").removeprefix("public.")
    words = f"If the statement can say which {', '.join(sorted(keys))} it wants, the others are not read."
    if not columns:
        return f"{words} Add that to its WHERE."
    return (
        f"{words} Else an index on the parent table, which every partition gets, finds the rows in each. It "
        f"is suggested, not proved.\nCREATE INDEX ON {parent} ({columns});"
    )


def _finding(
    trace: Trace, position: int, plan: Plan, append: PlanNode, scans: tuple[PlanNode, ...], table: Table
) -> Finding:
    saving_ms = saving_in_block(_saving_ms(plan, scans), plan, trace)
    with_rows = sum(bool(scan.total_rows) for scan in scans)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{(table.parent or '').removeprefix('public.')}: all {len(scans)} partitions are searched, and "
            f"rows were found in {with_rows} of them."
        ),
        advice=_advice(plan, scans, table),
        refutation=(
            "Refuted if the plan reads as many partitions after the change, or if the wanted rows do lie in "
            "all of them and each is found by an index."
        ),
        confidence=0.75,
        location=plan.call_site,
        offenders=(append.node_id, *(scan.node_id for scan in scans)),
        plan=position,
        saving_ms=saving_ms,
        evidence=(
            f"Partition key: {table.partition_key}",
            *(f"Condition on {scans[0].relation_name}: {text}" for text in _conditions(scans[0])),
        ),
    )


def _tables(key: str = "RANGE (created_at)") -> tuple[Table, ...]:
    return tuple(
        example_table(
            f"events_{i}", is_partition=True, parent="public.events", partition_key=key, partition_count=4
        )
        for i in (1, 2, 3, 4)
    )


def _scans(filter_: str, **said: Any) -> list[PlanNode]:
    defaults: dict[str, Any] = {"ms": 2, "rows": 10, "rows_removed_by_filter": 49_990}
    return [
        node(
            "Seq Scan", relation_name=f"events_{i}", Filter=filter_.replace("events", f"events_{i}"),
            **{**defaults, **said},
        )
        for i in (1, 2, 3, 4)
    ]  # fmt: skip


def _append(scans: list[PlanNode], **said: Any) -> PlanNode:
    return node("Append", *scans, ms=sum(scan.actual_total_time or 0.0 for scan in scans) + 0.1, **said)


_USER = "(events.user_id = 7)"
_HIDDEN = "(date_trunc('month'::text, events.created_at) = '2025-02-01'::date)"
_BY_INDEX = node(
    "Index Scan", ms=0.02, relation_name="events_1", index_name="events_1_user_id_idx", Index_Cond=_USER
)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=partitions_not_pruned,
    fires_on=(
        planned_trace(_append(_scans(_USER)), tables=_tables()),
        # One partition is wanted to the last row, three are not.
        planned_trace(_append(
                [*_scans(_HIDDEN, rows=50_000, rows_removed_by_filter=0)[:1], *_scans(_HIDDEN, rows=0)[1:]]
            ), tables=_tables()),
    ),
    silent_on=(
        # The key is compared, so these are the partitions that are left.
        planned_trace(
            _append(_scans("((events.created_at >= '2025-01-01'::date) AND (events.user_id = 7))")),
            tables=_tables(),
        ),
        # The planner left some out, by a condition that only it understands.
        planned_trace(
            _append(_scans("((events.created_at = ?) OR (events.created_at = ?))")[:3]), tables=_tables()
        ),
        # Left out when the statement ran.
        planned_trace(_append(_scans(_USER), Subplans_Removed=20), tables=_tables()),
        # The last ones never ran: a LIMIT had its rows.
        planned_trace(
            _append([*_scans(_USER)[:3], node("Seq Scan", loops=0, relation_name="events_4")]),
            tables=_tables(),
        ),
        # Most rows are wanted.
        planned_trace(_append(_scans(_USER, rows=40_000, rows_removed_by_filter=10_000)), tables=_tables()),
        # UNION ALL, or nobody asked the catalogue.
        planned_trace(_append(_scans(_USER))),
        # An index finds the rows in each of them, in no time.
        planned_trace(_append([_BY_INDEX] * 4), tables=_tables()),
        # The time goes elsewhere.
        planned_trace(node("Sort", _append(_scans(_USER)), ms=900), tables=_tables()),
    ),
)  # fmt: skip
