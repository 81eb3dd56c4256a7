"""Columns that depend on each other, which the planner takes for independent.

What it finds
    A scan that compares two or more columns of one table with values, and returns ten times as many rows
    as the planner expected.

Why is this slow
    The planner multiplies the shares of the conditions, as if city and zip code had nothing to do with each
    other. It expects one row where 93 come, and chooses a nested loop, or a small hash, for one row.

Example
    SELECT * FROM addresses WHERE city = 'Springfield' AND zip = '62701'

Use instead
    CREATE STATISTICS addresses_city_zip (dependencies) ON city, zip FROM addresses; ANALYZE addresses;
    Only `dependencies`: with the kind `mcv` as well, which is part of the default, the list of the most
    common values is asked first, and a pair that is not in it is expected once (measured: 1 row instead of
    96; reference notes on EXPLAIN, section 6).

Thresholds
    min_factor (10): how many times more rows came than were expected; pgMustard, pev2 and depesz mark ten.
    min_difference (1,000): rows, over all loops, between the two. It does not apply where the rows feed a
        nested loop, which runs its inner side once for each.
    min_columns (2): columns of the table that are compared for equality, each with a value.

Stays silent when
    The estimate is right, or too high: dependent columns give too low ones. Only one column is compared for
    equality, or one of them with a column of another table, for which such statistics do not count. The
    statistics are stale: fresh ones come first. The node never ran or was stopped early. The node and what
    uses its rows take less than 1 ms or 2 % of the execution.
"""

import math
from collections.abc import Iterator

from perfkit.model.catalog import Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_estimates import (
    estimate_evidence,
    estimate_saving_ms,
    estimate_severity,
    estimate_words,
    wrong_estimates,
)
from perfkit.model.plan_joins import aliases_below, mentions
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.plan_scans import scan_arms
from perfkit.model.sql_names import quoted, unquoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule

CODE, NAME = "PK248", "correlated-columns"
# The product of the columns' shares is within this factor of what the planner expected: it multiplied.
_SAME_PRODUCT = 3.0
_MULTIPLIED, _LIKELY, _HAS_OTHERS = 0.9, 0.7, 0.5
# PostgreSQL cuts names at 63 bytes.
_MAX_NAME = 60


def correlated_columns(
    trace: Trace, *, min_factor: float = 10.0, min_difference: float = 1000.0, min_columns: int = 2
) -> Iterator[Finding]:
    """Find scans that return far more rows than independent columns would give.

    Args:
        trace: a block with plans.
        min_factor: how many times more rows came than were expected.
        min_difference: difference in rows over all loops.
        min_columns: columns that are compared with a value.
    """
    for number, plan, _ in measured_plans(trace):
        for scan in wrong_estimates(plan, min_factor=min_factor, min_difference=min_difference):
            if (scan.actual_rows or 0.0) <= (scan.plan_rows or 0.0):
                continue
            columns = _compared(plan, scan, max(2, min_columns))
            if columns:
                yield _finding(trace, number, plan, scan, columns)


def _compared(plan: Plan, scan: PlanNode, least: int) -> list[str]:
    """Columns compared with values; none where they are few, or a column of another table plays a part."""
    arms = scan_arms(scan) if scan.relation_name else ()
    columns = list(dict.fromkeys(arm.column for arm in arms if arm.kind == "equality" and arm.column))
    if len(columns) < least or mentions(scan, aliases_below(plan.root) - {scan.alias}):
        return []
    return columns


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, columns: list[str]) -> Finding:
    table, saving_ms = plan.table_of(scan), estimate_saving_ms(plan, scan)
    product = _product(table, columns)
    said = f"Taken as independent, the columns give {counted(product, 'row')}." if product is not None else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=estimate_severity(plan, scan),
        message=f"{estimate_words(scan)[:-1]}: {' and '.join(columns)} depend on each other.",
        advice=_advice(scan, table, columns),
        refutation=(
            "Refuted if the estimate stays wrong with these statistics, or the plan stays the same with a "
            "right estimate. What it would save is sure only when the planner has chosen again."
        ),
        confidence=_confidence(scan, table, product),
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=None if saving_ms is None else saving_in_block(saving_ms, plan, trace),
        evidence=(*estimate_evidence(plan, scan), *([said] if said else [])),
    )


def _product(table: Table | None, columns: list[str]) -> float | None:
    """Rows that the conditions would leave if no column depended on another."""
    rows = table.rows if table is not None else 0.0
    for column in columns:
        known = table.column(unquoted(column)) if table is not None else None
        if known is None or not known.distinct or table is None:
            return None
        rows /= known.distinct if known.distinct > 0 else max(1.0, -known.distinct * table.rows)
    return rows


def _confidence(scan: PlanNode, table: Table | None, product: float | None) -> float:
    if table is not None and table.has_extended_statistics:
        return _HAS_OTHERS
    if product is None:
        return _LIKELY
    off = abs(math.log(max(1.0, product) / max(1.0, scan.plan_rows or 0.0)))
    return _MULTIPLIED if off <= math.log(_SAME_PRODUCT) else _HAS_OTHERS


def _advice(scan: PlanNode, table: Table | None, columns: list[str]) -> str:
    name = quoted("_".join([scan.relation_name or "", *[unquoted(column) for column in columns]])[:_MAX_NAME])
    words = "Tell the planner that the columns depend on each other, then explain the statement again."
    if table is not None and table.has_extended_statistics:
        words += (
            " The table has extended statistics already: if they are on these columns, their kind `mcv` "
            "hides the dependency, so drop them."
        )
    return "\n".join(
        [
            words,
            f"CREATE STATISTICS {name} (dependencies) ON {', '.join(columns)} FROM {relation(scan)};",
            f"ANALYZE {relation(scan)};",
        ]
    )


_FILTER = "((addresses.city = 'Springfield'::text) AND (addresses.zip = '62701'::text))"


def _scan(condition: str = _FILTER, *, rows: float = 20_000, planned: float = 40) -> PlanNode:
    return node("Seq Scan", ms=40, rows=rows, planned=planned, relation_name="addresses", Filter=condition)


_HEAP = node(
    "Bitmap Heap Scan",
    node("Bitmap Index Scan", ms=2, rows=20_000, planned=40, index_name="addresses_city_zip"),
    ms=30, rows=20_000, planned=40, relation_name="addresses", Recheck_Cond=_FILTER,
)  # fmt: skip
_PROBE = node("Index Scan", ms=0.01, rows=1, loops=20_000, relation_name="people")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=correlated_columns,
    yields_to=("stale-statistics",),
    fires_on=(
        planned_trace(node("Nested Loop", _scan(), _PROBE, ms=260, rows=20_000, planned=40)),
        # An index finds the rows; the bitmap has the same wrong number.
        planned_trace(node("Sort", _HEAP, ms=60, rows=20_000, planned=40)),
    ),
    silent_on=(
        # The estimate is right.
        planned_trace(_scan(planned=19_000)),
        # One column alone.
        planned_trace(_scan("(addresses.city = 'Springfield'::text)")),
        # A range and a value: these statistics do not cover ranges.
        planned_trace(_scan("((addresses.city = 'Springfield'::text) AND (addresses.since > 3))")),
        # Too many were expected.
        planned_trace(_scan(rows=40, planned=20_000)),
        # A column of another table.
        planned_trace(
            node(
                "Nested Loop",
                node("Seq Scan", ms=1, rows=100, relation_name="people"),
                node(
                    "Index Scan", ms=2, rows=400, planned=4, loops=100, relation_name="addresses",
                    Index_Cond="((addresses.person_id = people.id) AND (addresses.city = 'Ulm'::text))",
                ),
                ms=260,
                rows=40_000,
            )
        ),
        # Too fast to matter.
        planned_trace(node("Aggregate", node("Append", _scan(), ms=45), ms=7_000)),
    ),
)  # fmt: skip
