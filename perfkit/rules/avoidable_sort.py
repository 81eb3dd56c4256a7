"""Many rows are sorted that an index could give in this order.

What it finds
    A sort of thousands of rows of one table by plain columns, of which a LIMIT keeps the first ones, or
    which a condition of equality has picked out.

Why is this slow
    All rows must be read before the first one is known. An index on the columns of equality and then on
    those of ORDER BY has the rows in order: with a LIMIT it stops after the rows that are wanted.

Example
    SELECT * FROM events ORDER BY created_at DESC LIMIT 10
    without an index on created_at: 300,000 rows are read and compared, 31 ms instead of 0.02 ms.

Use instead
    CREATE INDEX ON events (created_at);
    which is read backwards for DESC. With WHERE tenant_id = 7: CREATE INDEX ON events (tenant_id,
    created_at). Where directions differ, the index must have the same ones.

Thresholds
    min_rows (10,000): rows that were sorted.
    min_time_share (0.2): the share of the execution time that would go.
    max_kept_share (0.1): rows that a LIMIT keeps for each row that was sorted.
    min_correlation (0.9): without a LIMIT, how well the rows must lie in the order of the first sort column,
        from 0 to 1. Else fetching them in that order costs more than the sort.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Joined or aggregated rows are sorted. A key is an expression. All rows of a table are wanted: sorting them
    is as fast as walking an index. Conditions that the index does not begin with leave few rows: it would be
    walked in vain. A filter throws nearly all rows away: selective-seq-scan suggests the same index. Such an
    index exists.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Column
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import MAX_COLUMNS, IndexCandidate, index_for_arms, ordering, relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_conditions import Arm, SortColumn, filter_arms, sort_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import has_index_led_by, index_arms, index_scans, removed_share
from perfkit.model.plan_shape import is_limited, scan_below
from perfkit.model.sql_names import unquoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK217", "avoidable-sort"
# Without a LIMIT: 36 ms became 23 when a sort of 19 ms went, for the rows are fetched less directly.
_SORT_SHARE = 0.6
_MAX_REMOVED_SHARE = 0.9


def avoidable_sort(
    trace: Trace,
    *,
    min_rows: float = 10_000,
    min_time_share: float = 0.2,
    max_kept_share: float = 0.1,
    min_correlation: float = 0.9,
) -> Iterator[Finding]:
    """Find sorts that an index makes needless.

    Args:
        trace: a block with plans.
        min_rows: rows that were sorted, over all loops and processes.
        min_time_share: share of the execution time that would go, from 0 to 1.
        max_kept_share: rows that a LIMIT keeps for each row that was sorted, from 0 to 1.
        min_correlation: of the first sort column with the order of the rows, from 0 to 1, without a LIMIT.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for sort in plan.nodes():
            scan = scan_below(sort) if sort.node_type == "Sort" and sort.executed else None
            rows = _sorted_rows(sort) if scan is not None else 0.0
            if scan is None or rows < max(1.0, min_rows):
                continue
            stops = is_limited(plan, sort) and (sort.total_rows or 0.0) <= max_kept_share * rows
            if not stops and _correlation(plan, sort, scan) < min_correlation:
                continue
            candidate = _candidate(plan, sort, scan, needs_equality=not stops)
            saving_ms = _saving_ms(plan, sort, stops=stops)
            is_worth = is_worth_a_line(saving_ms, duration_ms) and saving_ms >= min_time_share * duration_ms
            if candidate is not None and is_worth:
                yield _finding(trace, number, plan, sort, scan, candidate, saving_ms)


def _sorted_rows(sort: PlanNode) -> float:
    return max((child.total_rows or 0.0 for child in sort.children), default=0.0)


def _saving_ms(plan: Plan, sort: PlanNode, *, stops: bool) -> float:
    """With a LIMIT the rows need not be read either, nor brought together from parallel processes."""
    if not stops:
        return (sort.self_time_ms or 0.0) * _SORT_SHARE
    above = plan.parents.get(sort.node_id)
    whole = above if above is not None and above.node_type == "Gather Merge" else sort
    return whole.total_time_ms or 0.0


def _correlation(plan: Plan, sort: PlanNode, scan: PlanNode) -> float:
    """How well the rows lie in the order of the first sort column, from 0 to 1; 0 if nobody knows."""
    columns, table = sort_columns(sort, scan), plan.table_of(scan)
    column = table.column(unquoted(columns[0].column)) if columns and table is not None else None
    return abs(column.correlation or 0.0) if column is not None else 0.0


def _candidate(plan: Plan, sort: PlanNode, scan: PlanNode, *, needs_equality: bool) -> IndexCandidate | None:
    """An index that begins with what is compared for equality and goes on in the order that is wanted."""
    columns, arms = sort_columns(sort, scan), (*filter_arms(scan), *index_arms(scan))
    equal = tuple(arm for arm in arms if arm.kind == "equality" and arm.column)
    keys = sort.attributes.get("Sort Key")
    if not columns or not isinstance(keys, list) or len(columns) != len(keys):
        return None
    if len(columns) + len(equal) > MAX_COLUMNS:
        return None
    if _asks_for_a_list(scan) or (needs_equality and not equal) or not _keeps_enough(scan, arms, columns):
        return None
    candidate = index_for_arms(scan, equal, columns) or IndexCandidate(relation(scan), ordering(columns))
    return None if has_index_led_by(plan.table_of(scan), candidate.columns) else candidate


def _asks_for_a_list(scan: PlanNode) -> bool:
    """Several values of one column: the index has an order for each of them, not for all."""
    searched = (part.attributes.get("Index Cond") for part in index_scans(scan))
    return any("= ANY (" in str(condition) for condition in (scan.attributes.get("Filter"), *searched))


def _keeps_enough(scan: PlanNode, arms: tuple[Arm, ...], columns: tuple[SortColumn, ...]) -> bool:
    """Whether walking in order meets wanted rows often enough."""
    helped = {columns[0].column, *(arm.column for arm in arms if arm.kind == "equality")}
    if all(arm.column in helped for arm in arms):
        return removed_share(scan) < _MAX_REMOVED_SHARE or not filter_arms(scan)
    return scan.node_type == "Seq Scan" and removed_share(scan) < _MAX_REMOVED_SHARE


def _finding(
    trace: Trace,
    number: int,
    plan: Plan,
    sort: PlanNode,
    scan: PlanNode,
    candidate: IndexCandidate,
    saving_ms: float,
) -> Finding:
    saving_ms = saving_in_block(saving_ms, plan, trace)
    each = " in each process" if sort.share.participants > 1 else ""
    kept = f" to keep {sort.actual_rows or 0.0:,.0f}{each}" if is_limited(plan, sort) else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{table_name(scan)}: {about(sort, _sorted_rows(sort))} rows are sorted{kept}.",
        advice=(
            "An index in this order gives the rows without a sort. It is suggested, not proved: create it, "
            f"then explain the statement again.\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan still sorts with the index in place, or if fetching the rows in its order "
            "takes as long as the sort did."
        ),
        confidence=0.8 if is_limited(plan, sort) else 0.6,
        location=plan.call_site,
        offenders=(sort.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Sort Key: {', '.join(map(str, sort.attributes.get('Sort Key', ())))}",
            f"The sort itself took {sort.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms, "
            f"with the rows below it {sort.total_time_ms or 0.0:,.1f} ms.",
        ),
    )


def _scan(**said: Any) -> PlanNode:
    return node("Seq Scan", **{"ms": 10, "rows": 300_000, "relation_name": "events", **said})


def _sort(child: PlanNode, *, rows: float = 10, key: str = "events.created_at DESC") -> PlanNode:
    return node("Sort", child, ms=30, rows=rows, Sort_Key=[key])


def _limit(child: PlanNode) -> PlanNode:
    return node("Limit", child, ms=30, rows=10)


_TENANT = node(
    "Index Scan", ms=12, rows=100_000, relation_name="events", index_name="events_tenant_id",
    Index_Cond="(events.tenant_id = 7)",
)  # fmt: skip
_BY_TENANT = _sort(_TENANT, rows=100_000, key="events.created_at")
_IN_ORDER = example_table("events", columns=(Column("created_at", "timestamp", correlation=0.99),))
_SCATTERED = example_table("events", columns=(Column("created_at", "timestamp", correlation=0.02),))
_INDEXED = example_table("events", indexes=(example_index("events_created_at", "created_at"),))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=avoidable_sort,
    yields_to=("distinct-sort", "window-top1", "union-dedup"),
    fires_on=(
        planned_trace(_limit(_sort(_scan()))),
        # The rows of one tenant, with an index that has them out of order.
        planned_trace(_limit(_sort(_TENANT))),
        # All rows of one tenant, which lie in the order that is wanted.
        planned_trace(_BY_TENANT, tables=(_IN_ORDER,)),
    ),
    silent_on=(
        # Few rows.
        planned_trace(_limit(_sort(_scan(rows=4_000)))),
        # The key is an expression.
        planned_trace(_limit(_sort(_scan(), key="(lower(events.name))"))),
        # The whole table in order, which an index gives no faster.
        planned_trace(_sort(_scan(), rows=300_000)),
        planned_trace(_sort(_scan(), rows=300_000), tables=(_IN_ORDER,)),
        # All rows of one tenant, which lie all over the table.
        planned_trace(_BY_TENANT, tables=(_SCATTERED,)),
        # Joined rows.
        planned_trace(_limit(_sort(node("Hash Join", _scan(), node("Hash", ms=1), ms=15, rows=300_000)))),
        # Such an index exists.
        planned_trace(_limit(_sort(_scan())), tables=(_INDEXED,)),
        # A range that may leave few rows in the order of the index.
        planned_trace(
            _limit(
                _sort(
                    node(
                        "Index Scan", ms=12, rows=20_000, relation_name="events", index_name="events_amount",
                        Index_Cond="(events.amount > 900)",
                    )
                )
            )
        ),
        # A list of tenants: the order holds for each of them alone.
        planned_trace(_limit(_sort(_scan(Filter="(events.tenant_id = ANY ('{1,2}'::integer[]))")))),
        # The LIMIT wants most of the rows.
        planned_trace(_limit(_sort(_scan(), rows=200_000))),
        # The time goes elsewhere.
        planned_trace(node("Nested Loop", _limit(_sort(_scan())), ms=900)),
    ),
)  # fmt: skip
