"""A scan of an index alone has to look into the table after all.

What it finds
    Index-only scans that fetched rows from the table, because the table's visibility map does not say that
    the pages are visible to everybody.

Why is this slow
    An index does not know which versions of a row are valid. VACUUM notes the pages on which all are; for
    every other page each entry of the index costs a visit to the table, which is what this scan was to
    spare. Entries of dead rows count too, so there can be more visits than rows.

Example
    SELECT count(*) FROM orders WHERE id BETWEEN 1 AND 60000
    after an UPDATE of every third row: 68,200 visits for 60,000 rows, 11.6 ms instead of 3.7 ms.

Use instead
    VACUUM orders;
    not VACUUM FULL, which locks the table and leaves the map empty. If it comes back, let autovacuum come
    sooner: ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.02). It cannot clean up what a transaction that is still open
    may want to see.

Thresholds
    min_fetched_share (0.1): visits to the table for each entry that was read. pev2 colours from 40 %; at
        10 % the visits already cost as much as reading the index.
    min_fetches (1,000): visits over all loops and processes.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Nearly all entries were visible. The scan is an ordinary one, which always visits the table. It takes
    no time.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import number, rows_read
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK212", "heap-fetches"
# What came away in the example, where every entry was visited.
_VISITING_SHARE = 0.7


def heap_fetches(
    trace: Trace, *, min_fetched_share: float = 0.1, min_fetches: float = 1000
) -> Iterator[Finding]:
    """Find index-only scans that visit the table.

    Args:
        trace: a block with plans.
        min_fetched_share: visits to the table for each entry that was read, from 0 to 1.
        min_fetches: visits over all loops and processes.
    """
    for position, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            if scan.node_type != "Index Only Scan" or not scan.executed:
                continue
            fetches = number(scan, "Heap Fetches")
            if fetches < max(1.0, min_fetches) or _share(scan) < min_fetched_share:
                continue
            if is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, position, plan, scan)


def _share(scan: PlanNode) -> float:
    return number(scan, "Heap Fetches") / max(1.0, rows_read(scan))


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * _VISITING_SHARE * min(1.0, _share(scan))


def _finding(trace: Trace, position: int, plan: Plan, scan: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    table, name = plan.table_of(scan), relation(scan)
    dead = (
        (f"The table holds {table.dead_rows:,.0f} dead rows beside {table.live_rows or 0.0:,.0f}.",)
        if table is not None and table.dead_rows
        else ()
    )
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: the index alone was to be enough, but the table was visited "
            f"{number(scan, 'Heap Fetches'):,.0f} times for {about(scan, rows_read(scan))} rows."
        ),
        advice=(
            "VACUUM notes which pages everybody may see (VACUUM FULL does not). If the visits come back, let "
            f"autovacuum come sooner.\nVACUUM {name};\n"
            f"ALTER TABLE {name} SET (\n"
            "    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02\n);"
        ),
        refutation=(
            "Refuted if the plan shows as many heap fetches after VACUUM: then a transaction that is still "
            "open holds it up, or the rows were changed in this very transaction."
        ),
        confidence=0.85,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=position,
        saving_ms=saving_ms,
        evidence=(
            *dead,
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(fetches: int, **said: Any) -> PlanNode:
    defaults: dict[str, Any] = {"ms": 12, "rows": 60_000, "relation_name": "orders"}
    return node("Index Only Scan", index_name="orders_pkey", Heap_Fetches=fetches, **{**defaults, **said})


_DEAD = example_table("orders", dead_rows=66_000.0, live_rows=200_000.0)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=heap_fetches,
    fires_on=(
        # Entries of dead rows are visited as well.
        planned_trace(_scan(68_200)),
        planned_trace(_scan(20_000), tables=(_DEAD,)),
    ),
    silent_on=(
        planned_trace(_scan(0)),
        # One entry in twenty.
        planned_trace(_scan(3_000)),
        # A handful.
        planned_trace(_scan(200, rows=400, ms=0.3)),
        # An ordinary scan, which says nothing about visits.
        planned_trace(node("Index Scan", ms=12, rows=60_000, relation_name="orders")),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(68_200), ms=2_000)),
    ),
)
