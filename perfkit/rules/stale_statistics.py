"""The planner decides by statistics that are old, or that were never collected.

What it finds
    A node whose rows were badly estimated, where a table that it reads was never analysed, or changed much
    since it was.

Why is this slow
    The planner knows a table from a sample that ANALYZE takes. After a large load it goes by the old sample,
    or by none at all, and chooses joins and indexes for another table than the one that is there. Autovacuum
    refreshes it a minute or more later, for temporary tables never.

Example
    INSERT INTO orders SELECT …; SELECT … FROM orders JOIN …
    right after the load: 1,519 rows are expected where 30,000 come.

Use instead
    ANALYZE orders;
    at the end of the load, in the same transaction, and for every temporary table once it is filled.

Thresholds
    min_modified_share (0.1), min_modified_rows (50): rows changed since the last ANALYZE, as a share of the
        table's rows and beyond that; autovacuum's own formula and defaults.
    min_factor (10): how many times too few or too many rows were expected; pgMustard, pev2 and depesz mark
        ten.

Stays silent when
    The statistics are fresh, or the estimates are right all the same. The counter says that rows changed, but
    the table has neither grown nor dead rows: a session counts its changes up to a second late. Nothing is
    known of the table, as in a plan that was pasted. The estimate is a constant that the planner takes for an
    expression: fresh statistics do not change that. The node never ran, was stopped early, or takes too
    little time.
"""

from collections.abc import Iterator

from perfkit.model.catalog import Table
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_estimates import (
    estimate_evidence,
    estimate_saving_ms,
    estimate_severity,
    estimate_words,
    wrong_estimates,
)
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule

CODE, NAME = "PK249", "stale-statistics"
_PAGE_BYTES = 8192
# Half of autovacuum's tenth: pages added, or dead rows left behind, since the statistics were taken.
_CHANGED_SHARE = 0.05


def stale_statistics(
    trace: Trace,
    *,
    min_modified_share: float = 0.1,
    min_modified_rows: float = 50.0,
    min_factor: float = 10.0,
) -> Iterator[Finding]:
    """Find wrong estimates of tables whose statistics are old or missing.

    Args:
        trace: a block with plans.
        min_modified_share: rows changed since the last ANALYZE, as a share of all, from 0 to 1.
        min_modified_rows: rows changed beyond that share.
        min_factor: how many times too few or too many rows were expected.
    """
    for number, plan, _ in measured_plans(trace):
        for item in wrong_estimates(plan, min_factor=min_factor):
            stale = [
                table
                for table in _tables(plan, item)
                if _is_stale(table, min_modified_share, min_modified_rows)
            ]
            if stale:
                yield _finding(trace, number, plan, item, stale)


def _tables(plan: Plan, item: PlanNode) -> tuple[Table, ...]:
    found = (plan.table_of(scan) for scan in item.walk() if scan.relation_name)
    return tuple(dict.fromkeys(table for table in found if table is not None))


def _is_stale(table: Table, min_share: float, min_rows: float) -> bool:
    if table.is_analyzed is False:
        return True
    changed = table.modified_rows
    too_many = min_rows + min_share * max(0.0, table.rows)
    return changed is not None and changed > too_many and _shows_change(table)


def _shows_change(table: Table) -> bool:
    """Whether the table itself bears out what the counter of changes says.

    A session reports its changes up to a second late: what it changed before an ANALYZE may be counted after.
    """
    pages = table.size_bytes / _PAGE_BYTES
    grew = abs(pages - table.pages) >= _CHANGED_SHARE * max(1, table.pages)
    return grew or (table.dead_rows or 0.0) >= _CHANGED_SHARE * max(1.0, table.rows)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, stale: list[Table]) -> Finding:
    saving_ms = estimate_saving_ms(plan, item)
    states = [_state(table) for table in stale]
    return Finding(
        code=CODE,
        rule=NAME,
        severity=estimate_severity(plan, item),
        message=f"{estimate_words(item)[:-1]}: {states[0]}.",
        advice=_advice(stale),
        refutation=(
            "Refuted if the estimate stays wrong after ANALYZE, or the plan stays the same with a right one. "
            "What it would save is sure only when the planner has chosen again."
        ),
        confidence=0.85,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=None if saving_ms is None else saving_in_block(saving_ms, plan, trace),
        evidence=(*estimate_evidence(plan, item), *[f"Statistics: {state}." for state in states]),
    )


def _is_temporary(table: Table) -> bool:
    return table.schema.startswith("pg_temp")


def _name(table: Table) -> str:
    """Temporary tables are in a schema whose name changes with the connection, and come first without it."""
    return quoted(table.relation_name) if _is_temporary(table) else table.shown_name


def _state(table: Table) -> str:
    if table.is_analyzed is False:
        return f"{_name(table)} was never analysed"
    changed = counted(table.modified_rows or 0, "row")
    return (
        f"{changed} of {_name(table)} changed since its statistics were taken of {max(0.0, table.rows):,.0f}"
    )


def _advice(stale: list[Table]) -> str:
    words = "Collect fresh statistics, at the end of every load and in its transaction."
    if any(_is_temporary(table) for table in stale):
        words += " Autovacuum never analyses a temporary table, so the program has to."
    return "\n".join([words, *[f"ANALYZE {_name(table)};" for table in stale]])


def _loop(*, rows: float = 30_000, planned: float = 1_519) -> PlanNode:
    scan = node("Seq Scan", ms=40, rows=rows, planned=planned, relation_name="orders")
    probe = node("Index Scan", ms=0.01, rows=1, loops=int(rows), relation_name="users")
    return node("Nested Loop", scan, probe, ms=400, rows=rows, planned=planned)


_NEVER = example_table("orders", rows=-1.0, is_analyzed=False)
_LOADED = example_table(
    "orders", rows=1_500.0, is_analyzed=True, modified_rows=28_500.0, size_bytes=300 * _PAGE_BYTES
)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=stale_statistics,
    yields_to=("default-selectivity",),
    fires_on=(
        planned_trace(_loop(), tables=(_NEVER,), name="never analysed"),
        planned_trace(_loop(), tables=(_LOADED,), name="loaded since"),
    ),
    silent_on=(
        planned_trace(_loop(), name="nothing is known of the table"),
        planned_trace(
            _loop(),
            tables=(example_table("orders", rows=30_000.0, is_analyzed=True, modified_rows=3_000.0),),
            name="a tenth changed, which autovacuum would let be",
        ),
        planned_trace(
            _loop(),
            tables=(example_table("orders", rows=30_000.0, is_analyzed=True, modified_rows=30_000.0),),
            name="counted late: the table has not grown since it was analysed",
        ),
        planned_trace(_loop(planned=29_000), tables=(_NEVER,), name="right all the same"),
        planned_trace(
            node("Aggregate", _loop(), ms=90_000), tables=(_NEVER,), name="too fast to matter"
        ),
    ),
)  # fmt: skip
