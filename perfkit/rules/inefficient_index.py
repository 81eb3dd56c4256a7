"""An index leads to many rows, and the filter throws nearly all of them away.

What it finds
    A scan by an index whose condition fits far more rows than the statement wants: the filter, which is
    tested on the rows in the table, removes the others.

Why is this slow
    Each row that the index leads to must be fetched from the table, from wherever it lies, before the filter
    can refuse it. An index that holds the filter's column as well leads straight to the rows that are wanted.

Example
    SELECT * FROM orders WHERE tenant_id = 7 AND status = 'refunded'
    with an index on (tenant_id): 349,911 rows are fetched to keep 8.

Use instead
    CREATE INDEX ON orders (tenant_id, status);
    and drop the shorter index, which the longer one replaces. Columns that are compared for equality come
    first, a range last.

Thresholds
    min_removed_share (0.9): share of the fetched rows that the filter throws away. pgMustard marks 5 in 6;
        at 9 in 10 the longer index wins on any kind of disk.
    min_removed_rows (1,000): rows thrown away over all loops and processes.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Many of the rows are wanted. The filter holds a condition that no index on plain columns could answer, and
    it may be that one which removes the rows; or only a second range, which would not narrow the search. The
    rows came from several indexes joined by OR. No condition was searched in the index at all: then it was
    chosen for its order. It takes no time.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_for_arms
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import filter_arms
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.plan_scans import (
    BITMAP_SCAN,
    INDEX_SCANS,
    index_arms,
    index_order,
    index_scans,
    is_filter_indexable,
    limit_above,
    removed_share,
    rows_read,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import PREDICATE_RULES, Rule, severity_of

CODE, NAME = "PK205", "inefficient-index"


def inefficient_index(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 1000
) -> Iterator[Finding]:
    """Find index scans whose filter throws away nearly all that the index led to.

    Args:
        trace: a block with plans.
        min_removed_share: share of the fetched rows that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed = scan.total_rows_removed or 0.0
            if scan.node_type not in (*INDEX_SCANS, BITMAP_SCAN) or removed < max(1.0, min_removed_rows):
                continue
            if removed_share(scan) < min_removed_share or not is_worth_a_line(_saving_ms(scan), duration_ms):
                continue
            candidate = _longer_index(plan, scan)
            if candidate is not None:
                yield _finding(trace, number, plan, scan, candidate)


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * removed_share(scan)


def _longer_index(plan: Plan, scan: PlanNode) -> IndexCandidate | None:
    """An index on what was searched and on what the filter compares; `None` where that adds nothing."""
    searched = tuple(arm for arm in index_arms(scan) if arm.column)
    names = {arm.column for arm in searched}
    added = tuple(arm for arm in filter_arms(scan) if arm.column and arm.column not in names)
    if not searched or not added or not is_filter_indexable(plan, scan):
        return None
    wanted = index_order(plan, scan) if limit_above(plan, scan) is not None else ()
    candidate = index_for_arms(scan, (*searched, *added), wanted)
    gains = candidate is not None and {arm.column for arm in added}.intersection(candidate.columns)
    return candidate if gains else None


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, candidate: IndexCandidate) -> Finding:
    saving_ms = saving_in_block(_saving_ms(scan), plan, trace)
    names = ", ".join(dict.fromkeys(part.index_name or "?" for part in index_scans(scan)))
    order = (
        " The statement has a LIMIT: columns of its ORDER BY belong before a range."
        if limit_above(plan, scan) is not None
        else ""
    )
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {names} leads to {about(scan, rows_read(scan))} rows, and the filter keeps "
            f"{about(scan)}."
        ),
        advice=(
            "An index that holds the filter's columns too leads straight to these rows. It is suggested, not "
            "proved. Afterwards an index that it begins with is needed no more, unless it enforces "
            f"uniqueness.{order}\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the filter usually keeps many "
            "of the rows and only these parameters are so picky."
        ),
        confidence=0.6 if candidate.has_cast else 0.85,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            *(f"Index Cond: {part.attributes.get('Index Cond')}" for part in index_scans(scan)),
            f"Filter: {scan.attributes.get('Filter')}",
            own_time_words("scan", scan, plan),
        ),
    )


def _scan(
    condition: str, filter_: str, *, rows: float = 8, removed: float = 40_000, ms: float = 30
) -> PlanNode:
    return node(
        "Index Scan", ms=ms, rows=rows, relation_name="orders", index_name="orders_tenant_id",
        rows_removed_by_filter=removed, Index_Cond=condition, Filter=filter_,
    )  # fmt: skip


def _bitmap(filter_: str, *parts: PlanNode, parent: str = "") -> PlanNode:
    below = node(parent, *parts, ms=2) if parent else parts[0]
    return node(
        BITMAP_SCAN,
        below,
        ms=30,
        rows=8,
        relation_name="orders",
        rows_removed_by_filter=40_000,
        Filter=filter_,
    )


_TENANT, _STATUS = "(orders.tenant_id = 7)", "(orders.status = 'refunded'::text)"
_PART = node("Bitmap Index Scan", ms=2, rows=40_008, index_name="orders_tenant_id", Index_Cond=_TENANT)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=inefficient_index,
    yields_to=(
        "index-prefix-skipped",
        *PREDICATE_RULES,
    ),
    fires_on=(
        planned_trace(_scan(_TENANT, _STATUS)),
        planned_trace(_bitmap(_STATUS, _PART)),
        # The equality goes before the range that was searched.
        planned_trace(_scan("(orders.created_at > '2025-01-01'::date)", _STATUS)),
    ),
    silent_on=(
        # Half of what the index leads to is wanted.
        planned_trace(_scan(_TENANT, _STATUS, rows=40_000)),
        # Few rows.
        planned_trace(_scan(_TENANT, _STATUS, removed=500, ms=3)),
        # Nothing for an index on plain columns.
        planned_trace(_scan(_TENANT, "(lower(orders.status) = 'refunded'::text)")),
        # Nobody knows whether it was this part of the filter that threw the rows away.
        planned_trace(_scan(_TENANT, f"({_STATUS} AND (orders.note ~~ '%late%'::text))")),
        # A second range would not narrow the search.
        planned_trace(_scan("(orders.created_at > '2025-01-01'::date)", "(orders.amount > 900)")),
        # Two indexes, joined by OR.
        planned_trace(_bitmap(_STATUS, _PART, _PART, parent="BitmapOr")),
        # The time goes elsewhere.
        planned_trace(node("Sort", _scan(_TENANT, _STATUS, ms=5), ms=900, rows=8)),
    ),
)
