"""A whole index is read from end to end for a few of its entries.

What it finds
    A scan of an index without any condition on it whose filter throws away nearly all, and a scan of all
    entries that DISTINCT or GROUP BY reduces to a handful of values.

Why is this slow
    The index holds what is asked for, but not in an order that leads to it: the filter's column stands
    behind another one or in INCLUDE. And PostgreSQL has no scan that jumps from one value to the next, so
    DISTINCT over an index reads all entries of each value. The time grows with the table.

Example
    SELECT DISTINCT region FROM orders
    with an index on (region): 300,000 entries are read for 50 values, in 53 ms.

Use instead
    For a filter: CREATE INDEX ON orders (region) INCLUDE (user_id); with the filter's column first.
    For DISTINCT: a recursive query that asks for the next larger value, one step a value, 0.2 ms in the
    example; or a table that lists the values.

Thresholds
    min_rows_read (100,000): entries read; below that it takes a few milliseconds.
    min_removed_share (0.9): share of the entries that the filter throws away.
    max_distinct_share (0.01): values left by DISTINCT for each entry read. A step to the next value costs
        as much as reading some tens of entries.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The index was searched by a condition. It is read for its order: by ORDER BY, by a merge join, or below
    a LIMIT. All entries are counted or added up: they must be read. DISTINCT leaves many values, or is about
    several columns. The filter holds a condition that no index on plain columns could answer.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import index_for_arms, relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_columns import mentioned_columns, needed_columns
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import (
    is_filter_indexable,
    is_whole_index,
    limit_above,
    removed_share,
    rows_read,
)
from perfkit.model.sql_names import unquoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK207", "full-index-scan"
# A step of the recursive query took 4 microseconds, an entry of a scan with DISTINCT 0.2 (50 values of
# 300,000 entries: 0.2 ms instead of 53).
_STEP_IN_ENTRIES = 20
_DISTINCT = ("Unique", "Aggregate", "Group")
_BETWEEN = (*_DISTINCT, "Gather", "Gather Merge", "Sort")
# Saving in milliseconds, what was kept of the entries, and advice.
_Found = tuple[float, str, str]
_STEPPING = """\
WITH RECURSIVE step AS (
    (SELECT <column> FROM <table> ORDER BY <column> LIMIT 1)
    UNION ALL
    SELECT (SELECT t.<column> FROM <table> t WHERE t.<column> > step.<column> ORDER BY t.<column> LIMIT 1)
    FROM step WHERE step.<column> IS NOT NULL
)
SELECT <column> FROM step WHERE <column> IS NOT NULL;"""


def full_index_scan(
    trace: Trace,
    *,
    min_rows_read: float = 100_000,
    min_removed_share: float = 0.9,
    max_distinct_share: float = 0.01,
) -> Iterator[Finding]:
    """Find indexes that are read from end to end for a few of their entries.

    Args:
        trace: a block with plans.
        min_rows_read: entries read over all loops and processes.
        min_removed_share: share of the entries that the filter throws away, from 0 to 1.
        max_distinct_share: values left by DISTINCT for each entry read, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            if not is_whole_index(scan) or rows_read(scan) < max(1.0, min_rows_read):
                continue
            if limit_above(plan, scan) is not None:
                continue
            removed = removed_share(scan) >= min_removed_share
            found = _filtered(plan, scan) if removed else _repeated_values(plan, scan, max_distinct_share)
            if found is not None and is_worth_a_line(found[0], duration_ms):
                yield _finding(trace, number, plan, scan, *found)


def _filtered(plan: Plan, scan: PlanNode) -> _Found | None:
    """What to say where the filter could be searched for."""
    candidate = index_for_arms(scan, filter_arms(scan))
    if candidate is None or not is_filter_indexable(plan, scan):
        return None
    # The index must go on to answer alone, or each entry would cost a visit to the table.
    needed = needed_columns(plan, scan) if scan.node_type == "Index Only Scan" else None
    others = ", ".join(sorted((needed or frozenset()).difference(candidate.columns)))
    include = f") INCLUDE ({others});" if others else ");"
    statement = candidate.statement.removesuffix(");") + include
    advice = (
        "An index whose first columns are those of the filter leads straight to these entries. It is "
        f"suggested, not proved.\n{statement}"
    )
    saving_ms = (scan.self_time_ms or 0.0) * removed_share(scan)
    return saving_ms, f"to keep {about(scan)}", advice


def _repeated_values(plan: Plan, scan: PlanNode, max_share: float) -> _Found | None:
    """What to say where DISTINCT leaves few values of one column."""
    distinct = _distinct_above(plan, scan)
    name = _only_column(distinct, scan) if distinct is not None else None
    if distinct is None or name is None or "Filter" in scan.attributes or "Filter" in distinct.attributes:
        return None
    values = distinct.total_rows or 0.0
    if values > max_share * rows_read(scan):
        return None
    spared = 1 - min(1.0, _STEP_IN_ENTRIES * values / rows_read(scan))
    advice = (
        "Step from one value to the next: each step is one search in an index that begins with this column. "
        f"{_null_note(plan, scan, name)}\n{_stepping(scan, name)}"
    )
    return (distinct.total_time_ms or 0.0) * spared, f"to find {values:,.0f} different values", advice


def _distinct_above(plan: Plan, scan: PlanNode) -> PlanNode | None:
    """The last of the nodes that reduce the rows of a scan to different ones."""
    found, parent = None, plan.parents.get(scan.node_id)
    while parent is not None and parent.node_type in _BETWEEN:
        found = parent if parent.node_type in _DISTINCT else found
        parent = plan.parents.get(parent.node_id)
    return found


def _only_column(distinct: PlanNode, scan: PlanNode) -> str | None:
    """The column of the scan that is all that DISTINCT returns."""
    output = distinct.attributes.get("Output")
    if not isinstance(output, list) or len(output) != 1:
        return None
    columns = mentioned_columns(scan, output[0])
    name = next(iter(columns)) if columns is not None and len(columns) == 1 else None
    return name if name is not None and str(output[0]).rpartition(".")[2] == name else None


def _null_note(plan: Plan, scan: PlanNode, name: str) -> str:
    table = plan.table_of(scan)
    column = table.column(unquoted(name)) if table is not None else None
    may_be_null = column is None or column.is_nullable
    return "It leaves out NULL; add it where the column may be empty." if may_be_null else ""


def _stepping(scan: PlanNode, name: str) -> str:
    return _STEPPING.replace("<column>", name).replace("<table>", relation(scan))


def _finding(
    trace: Trace, number: int, plan: Plan, scan: PlanNode, saving_ms: float, kept: str, advice: str
) -> Finding:
    saving_ms = saving_in_block(saving_ms, plan, trace)
    evidence = (f"Filter: {scan.attributes['Filter']}",) if "Filter" in scan.attributes else ()
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: all entries, {about(scan, rows_read(scan))}, of "
            f"{scan.index_name} are read {kept}."
        ),
        advice=advice,
        refutation=(
            "Refuted if the statement takes as long after the change, or if the table stays this small and "
            "the statement is fast enough."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            *evidence,
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(**said: Any) -> PlanNode:
    defaults: dict[str, Any] = {
        "ms": 40, "rows": 300_000, "relation_name": "orders", "index_name": "orders_user_id_region",
        "Output": ["orders.region"],
    }  # fmt: skip
    return node("Index Only Scan", **{**defaults, **said})


def _filter(filter_: str, **said: Any) -> PlanNode:
    return _scan(**{"rows": 6_000, "rows_removed_by_filter": 294_000, "Filter": filter_, **said})


_REGION = "(orders.region = 5)"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=full_index_scan,
    fires_on=(
        planned_trace(_filter(_REGION)),
        planned_trace(node("Unique", _scan(), ms=60, rows=50, Output=["orders.region"])),
        # Three processes reduce their parts first.
        planned_trace(
            node(
                "Unique",
                node(
                    "Gather Merge",
                    node(
                        "Aggregate", _scan(rows=100_000, loops=3), ms=45, rows=50, loops=3,
                        Output=["orders.region"],
                    ),
                    ms=50,
                    rows=150,
                ),
                ms=60,
                rows=50,
                Output=["orders.region"],
            )
        ),
    ),
    silent_on=(
        # All entries are counted.
        planned_trace(node("Aggregate", _scan(), ms=60, Output=["count(*)"])),
        # They are counted for each value, which takes all of them.
        planned_trace(node("Aggregate", _scan(), ms=60, rows=50, Output=["orders.region", "count(*)"])),
        # HAVING counts them.
        planned_trace(
            node("Aggregate", _scan(), ms=60, rows=50, Output=["orders.region"], Filter="(count(*) > 5)")
        ),
        # Many different values.
        planned_trace(node("Unique", _scan(), ms=60, rows=20_000, Output=["orders.region"])),
        # Searched by a condition.
        planned_trace(_filter(_REGION, Index_Cond="(orders.user_id > 5)")),
        # A LIMIT stops it.
        planned_trace(node("Limit", _filter(_REGION), ms=40, rows=10)),
        # Read for its order.
        planned_trace(node("Merge Join", _scan(), node("Index Scan", ms=9, rows=5), ms=60)),
        # Nothing for an index on plain columns.
        planned_trace(_filter("((orders.region % 50) = 5)")),
        # A small index.
        planned_trace(_filter(_REGION, rows=60, rows_removed_by_filter=2_940, ms=2)),
    ),
)  # fmt: skip
