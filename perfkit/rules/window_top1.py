"""All rows are sorted and numbered, to keep the first of each group.

What it finds
    row_number() or rank() over all rows of a table, of which a condition keeps the first few of each group,
    with a sort of all rows below.

Why is this slow
    To number the rows of each group they must be in order, and so all of them are sorted, though one of
    each group is kept. The time grows with all rows, not with the groups.

Example
    SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY created_at DESC) AS n
                   FROM orders) AS o WHERE n = 1
    sorts 1,000,000 orders to return 501.

Use instead
    SELECT o.* FROM customers c CROSS JOIN LATERAL (
        SELECT * FROM orders WHERE orders.customer_id = c.id ORDER BY created_at DESC LIMIT 1
    ) AS o
    with CREATE INDEX ON orders (customer_id, created_at DESC): one look into the index for each group. In
    our measurement, 500 groups of 300,000 rows: 36 ms instead of 175, most of it for finding the groups.
    DISTINCT ON reads all rows by the index, which was no faster than sorting them.

Thresholds
    max_kept_share (0.1): share of the rows that is kept at most; above it, numbering them is no waste.
    min_rows (10,000): rows that were numbered.
    min_time_share (0.3): share of the sort and the numbering in the execution (reference notes on EXPLAIN,
        rule 56).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The rows come in order from an index. The window has no condition: all numbers are wanted. Many rows are
    kept, few are numbered, or the time goes elsewhere.
"""

import re
from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import ordering, relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import SortColumn, sort_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import scan_below
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK233", "window-top1"
_SORTS = ("Sort", "Incremental Sort")
# PostgreSQL 15 and later write the condition beside the window; before, it is a filter above it.
_FIRST = re.compile(r"\((?:\w+\.)?\w+ (?:<=|=) 1\)")
# Of several rows with the same rank all are wanted, however many.
_TOP1 = re.compile(r"row_number\(\) OVER .+ <= 1\)")
_PARTITION = re.compile(
    r"\bPARTITION\s+BY\s(?P<keys>[^()]+?)(?:\sORDER\s|\sROWS\s|\sRANGE\s|\)|$)", re.IGNORECASE
)
# One look into the index: 0.004 ms in our measurement of 500 groups.
_GROUP_MS = 0.005
_CONFIDENCE = 0.75


def window_top1(
    trace: Trace, *, max_kept_share: float = 0.1, min_rows: float = 10_000, min_time_share: float = 0.3
) -> Iterator[Finding]:
    """Find windows that number all rows to keep the first of each group.

    Args:
        trace: a block with plans.
        max_kept_share: share of the rows that is kept at most, from 0 to 1.
        min_rows: rows that were numbered.
        min_time_share: share of the sort and the numbering in the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for window in plan.nodes():
            sort, kept = _sort(window), _kept(plan, window)
            if sort is None or kept is None or (sort.total_rows or 0.0) < max(1.0, min_rows):
                continue
            own_ms = (sort.self_time_ms or 0.0) + (window.self_time_ms or 0.0)
            if kept > max_kept_share * (sort.total_rows or 0.0) or own_ms < min_time_share * duration_ms:
                continue
            if is_worth_a_line(own_ms - kept * _GROUP_MS, duration_ms):
                yield _finding(trace, number, plan, window, sort)


def _sort(window: PlanNode) -> PlanNode | None:
    if window.node_type != "WindowAgg" or not window.executed:
        return None
    below = window.children[0] if window.children else None
    return below if below is not None and below.node_type in _SORTS else None


def _kept(plan: Plan, window: PlanNode) -> float | None:
    """Rows left by the condition on the number; `None` where there is no such condition."""
    above = plan.parents.get(window.node_id)
    if "Run Condition" in window.attributes:
        return window.total_rows or 0.0
    if (
        above is not None
        and above.node_type == "Subquery Scan"
        and _FIRST.search(str(above.attributes.get("Filter", "")))
    ):
        return above.total_rows or 0.0
    return None


def _finding(trace: Trace, number: int, plan: Plan, window: PlanNode, sort: PlanNode) -> Finding:
    own_ms = (sort.self_time_ms or 0.0) + (window.self_time_ms or 0.0)
    keys = sort.attributes.get("Sort Key")
    saving_ms = saving_in_block(own_ms - (_kept(plan, window) or 0.0) * _GROUP_MS, plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{about(sort).capitalize()} rows are sorted and numbered to keep "
            f"{about(window, _kept(plan, window) or 0.0)}, the first of each group."
        ),
        advice=_advice(plan, window, sort),
        refutation=(
            "Refuted if there are so many groups that asking for each takes as long, or if rows without a "
            "group (NULL) are wanted too."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(sort.node_id, window.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Sort Key: {', '.join(map(str, keys if isinstance(keys, list) else ()))}",
            f"Sorting and numbering took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _advice(plan: Plan, window: PlanNode, sort: PlanNode) -> str:
    scan = scan_below(sort)
    keys = sort_columns(sort, scan) if scan is not None else ()
    groups = _groups(plan, window)
    if "Window" in window.attributes and not groups:
        lines = ["The first of all rows are wanted: ORDER BY and LIMIT stop after them."]
    else:
        lines = [
            "Ask for each group by an index, with LATERAL and LIMIT; conditions on the rows go into it. A "
            "table that has the groups already is better than finding them with DISTINCT."
        ]
    is_led = [key.column for key in keys][: len(groups)] == groups
    if scan is not None and groups and is_led:
        lines.append(_lateral(relation(scan), groups, keys[len(groups) :], _TOP1.search(_condition(window))))
    if scan is not None and keys:
        lines.append(f"CREATE INDEX ON {relation(scan)} ({', '.join(ordering(keys))});")
    return "\n".join(lines)


def _lateral(table: str, groups: list[str], keys: tuple[SortColumn, ...], top1: object) -> str:
    order = ", ".join(f"{key.column}{' DESC' if key.descending else ''}" for key in keys)
    tie = " AND ".join(f"o.{group} = groups.{group}" for group in groups)
    each = f"FROM {table} AS o WHERE {tie} ORDER BY {order} LIMIT {1 if top1 else '...'}"
    source = f"(SELECT DISTINCT {', '.join(groups)} FROM {table}) AS groups"  # noqa: S608 - shown, not sent
    join = f"CROSS JOIN LATERAL (SELECT * {each}) AS firsts"
    return f"SELECT firsts.* FROM {source}\n{join}"  # noqa: S608 - the same


def _condition(window: PlanNode) -> str:
    return str(window.attributes.get("Run Condition", ""))


def _groups(plan: Plan, window: PlanNode) -> list[str]:
    """The columns of PARTITION BY: PostgreSQL 18 writes them into the plan, before the statement tells."""
    written = window.attributes.get("Window")
    found = list(_PARTITION.finditer(plan.query_text if written is None else str(written)))
    return [key.strip().rpartition(".")[2] for key in found[0]["keys"].split(",")] if len(found) == 1 else []


_RUN = "(row_number() OVER w1 <= 1)"
_WINDOW = "w1 AS (PARTITION BY orders.customer_id ORDER BY orders.created_at ROWS UNBOUNDED PRECEDING)"


def _numbered(
    *, kept: float = 500, rows: float = 300_000, ms: float = 200, sorting: str = "Sort", **said: Any
) -> PlanNode:
    scan = node("Seq Scan", ms=20, rows=rows, relation_name="orders")
    keys = ["orders.customer_id", "orders.created_at DESC"]
    below = node(sorting, scan, ms=ms * 0.9, rows=rows, Sort_Key=keys)
    return node("WindowAgg", below, ms=ms, rows=kept, **{"Window": _WINDOW, "Run_Condition": _RUN, **said})


def _filtered(condition: str, rows: float = 500) -> PlanNode:
    """As up to PostgreSQL 14: all rows are numbered, and a filter above keeps some."""
    scan = node("Seq Scan", ms=20, rows=300_000, relation_name="orders")
    below = node("Sort", scan, ms=180, rows=300_000, Sort_Key=["orders.customer_id"])
    window = node("WindowAgg", below, ms=240, rows=300_000)
    return node("Subquery Scan", window, ms=260, rows=rows, Filter=condition)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=window_top1,
    fires_on=(
        planned_trace(_numbered()),
        planned_trace(_filtered("(o.n = 1)")),
        planned_trace(_numbered(kept=10, Window="w1 AS (ORDER BY orders.created_at)")),
    ),
    silent_on=(
        # The rows come in order from an index.
        planned_trace(_numbered(sorting="Index Scan")),
        # All numbers are wanted.
        planned_trace(_filtered("(o.total > 5)")),
        # Many rows are kept.
        planned_trace(_numbered(kept=200_000)),
        # Few rows are numbered.
        planned_trace(_numbered(kept=5, rows=900, ms=3)),
        # The time goes elsewhere.
        planned_trace(node("Hash Join", _numbered(), ms=4_000)),
        # It never ran.
        planned_trace(node("Append", node("WindowAgg", node("Sort", loops=0), loops=0), ms=40)),
    ),
)
