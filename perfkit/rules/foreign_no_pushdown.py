"""A foreign table is sent over whole, and filtered here.

What it finds
    A scan of a foreign table (postgres_fdw) whose filter ran on this side, and threw nearly all rows away.

Why is this slow
    Every row crosses the network to be thrown away. The other server can only filter by what it is told: a
    condition is sent if it holds nothing but built-in types, operators and functions that cannot change.

Example
    SELECT * FROM remote_orders WHERE lower_de(city) = 'köln'
    Remote SQL: SELECT id, city FROM public.orders: 100,000 rows for 40, because nobody said that
    the other server has this function too.

Use instead
    A condition that can be sent: built-in functions, a value computed before (now() as a parameter). For
    functions of an extension that both servers have: ALTER SERVER … OPTIONS (ADD extensions 'pg_trgm'). Else
    a view on the other server with this condition, and a foreign table for it; or a materialized view here.

Thresholds
    min_removed_share (0.9): share of the fetched rows that the filter throws away.
    min_removed_rows (1,000): rows thrown away; each one came over the network.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The condition was sent along. Many of the rows are wanted. A LIMIT stopped the scan. It takes no time.
"""

import re
from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import removed_share, rows_read
from perfkit.model.plan_shape import is_stopped_by_limit
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK219", "foreign-no-pushdown"
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
# The other server has to filter as well: 102 ms became 19 where all but 40 of 100,000 rows were sent in vain.
_SENDING_SHARE = 0.9


def foreign_no_pushdown(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 1000
) -> Iterator[Finding]:
    """Find foreign tables that are filtered on this side.

    Args:
        trace: a block with plans.
        min_removed_share: share of the fetched rows that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed = scan.total_rows_removed or 0.0
            if scan.node_type != "Foreign Scan" or removed < max(1.0, min_removed_rows):
                continue
            if removed_share(scan) < min_removed_share or is_stopped_by_limit(plan, scan):
                continue
            if is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan)


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * removed_share(scan) * _SENDING_SHARE


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    remote = str(scan.attributes.get("Remote SQL", ""))
    part = "only a part" if _WHERE.search(remote) else "nothing"
    sent = (f"Remote SQL: {remote}",) if remote else ()
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {about(scan, rows_read(scan))} rows are fetched from another server to "
            f"keep {about(scan)}; {part} of the condition was sent."
        ),
        advice=(
            "Write the condition so that it can be sent: built-in types, operators and functions, and values "
            "that are computed before, as parameters. If it needs an extension that both servers have, say "
            "so. Else put the condition into a view on the other server.\n"
            "ALTER SERVER <server> OPTIONS (ADD extensions '<extension>');"
        ),
        refutation=(
            "Refuted if the Remote SQL in the plan still lacks the condition after the change, or if the "
            "other server takes as long to answer with it."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Filter: {scan.attributes.get('Filter')}",
            *sent,
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(*, rows: float = 40, removed: float | None = 99_960, **said: Any) -> PlanNode:
    defaults: dict[str, Any] = {
        "ms": 90, "relation_name": "remote_orders", "Filter": "(lower_de(remote_orders.city) = 'köln'::text)",
        "Remote_SQL": "SELECT id, city FROM public.orders",
    }  # fmt: skip
    return node("Foreign Scan", rows=rows, rows_removed_by_filter=removed, **{**defaults, **said})


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=foreign_no_pushdown,
    fires_on=(
        planned_trace(_scan()),
        # A part of the condition was sent, the part that picks was not.
        planned_trace(_scan(Remote_SQL="SELECT id, city FROM public.orders WHERE ((id > 5))")),
    ),
    silent_on=(
        # The condition was sent along.
        planned_trace(
            _scan(removed=None, Remote_SQL="SELECT id, city FROM public.orders WHERE ((city = 'köln'))")
        ),
        # Many of the rows are wanted.
        planned_trace(_scan(rows=60_000, removed=40_000)),
        # Few rows came.
        planned_trace(_scan(removed=500, ms=2)),
        # A LIMIT stopped it.
        planned_trace(node("Limit", _scan(), ms=90, rows=40)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(ms=9), ms=900)),
    ),
)
