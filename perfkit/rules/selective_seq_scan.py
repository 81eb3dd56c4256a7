"""A whole table is read to keep a few of its rows.

What it finds
    A sequential scan whose filter throws away nearly every row that it reads.

Why is this slow
    Without an index that fits the filter, the database has no choice but to read every row of the table
    and to test it. The time grows with the table, however few rows are wanted: at ten times the rows the
    statement takes ten times as long. An index leads straight to the rows that match.

Example
    SELECT * FROM orders WHERE user_id = 42 AND status = 'paid'
    with no index on user_id: 1,000,000 rows are read to return 15.

Use instead
    CREATE INDEX ON orders (user_id, status);
    Columns that are compared for equality come first, in any order; then the columns of ORDER BY, if the
    statement has a LIMIT or sorts for long; then one column that is compared by a range. A column after a
    range does not narrow what is read. On a busy table use CREATE INDEX CONCURRENTLY, which does not
    block writes. An index costs time on every write: look whether one that exists can be extended.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %. Where
        more than a tenth of a table is wanted, reading all of it is often the fastest way.
    min_removed_rows (10,000): rows thrown away over all loops and processes. Below that the whole table
        is a few dozen pages, and no index beats reading them.
    min_time_share (0.1): the scan's own share of the execution time; depesz starts to colour at 10 %.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The table is small, or many of its rows are wanted. A LIMIT stopped the scan before it had thrown many
    rows away. The scan never ran. The filter has nothing that an index on plain columns could answer: only
    `<>`, `LIKE`, a function of a column, or conditions joined by OR. The time goes elsewhere. The plan was
    not measured.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_candidate
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
from perfkit.model.trace import Trace
from perfkit.rules._rule import PREDICATE_RULES, Rule, severity_of

CODE, NAME = "PK201", "selective-seq-scan"
# With one row in a hundred or fewer an index all but always wins; up to one in ten it depends on how the
# rows lie on the disk.
_SURE_KEPT_SHARE = 0.01
_SURE, _LIKELY = 0.85, 0.6


def selective_seq_scan(
    trace: Trace,
    *,
    min_removed_share: float = 0.9,
    min_removed_rows: float = 10_000,
    min_time_share: float = 0.1,
) -> Iterator[Finding]:
    """Find scans of a whole table that keep few of its rows.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
        min_time_share: the scan's own share of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            removed, kept = scan.total_rows_removed or 0.0, scan.total_rows or 0.0
            if scan.node_type != "Seq Scan" or removed < max(1.0, min_removed_rows):
                continue
            share = removed / (removed + kept)
            saving_ms = (scan.self_time_ms or 0.0) * share
            if share < min_removed_share or (scan.self_time_ms or 0.0) < min_time_share * duration_ms:
                continue
            candidate = index_candidate(plan, scan)
            if candidate is None:
                continue
            if is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, number, plan, scan, candidate)


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, candidate: IndexCandidate) -> Finding:
    removed, kept = scan.total_rows_removed or 0.0, scan.total_rows or 0.0
    share = removed / (removed + kept)
    saving_ms = saving_in_block((scan.self_time_ms or 0.0) * share, plan, trace)
    cast = (
        " A column that the filter casts to text must be text or varchar for this."
        if candidate.has_cast
        else ""
    )
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{table_name(scan)}: {about(scan, removed + kept)} rows are read to keep {about(scan)}.",
        advice=(
            "An index on the columns of the filter would lead straight to these rows. It is suggested, not "
            f"proved: create it, then explain the statement again.\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the table stays this small "
            f"and the statement is fast enough.{cast}"
        ),
        confidence=_SURE if 1 - share <= _SURE_KEPT_SHARE and not candidate.has_cast else _LIKELY,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Filter: {scan.attributes.get('Filter')}",
            own_time_words("scan", scan, plan),
        ),
    )


_FILTER = "((orders.user_id = 42) AND (orders.status = 'paid'::text))"
_SCAN = node(
    "Seq Scan", ms=55, rows=15, relation_name="orders", rows_removed_by_filter=999_985, Filter=_FILTER
)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=selective_seq_scan,
    yields_to=(
        "seq-scan-in-loop",
        "partitions-not-pruned",
        "correlated-subplan",
        *PREDICATE_RULES,
    ),
    fires_on=(
        planned_trace(_SCAN),
        # Three processes share the table: each threw away a third.
        planned_trace(
            node(
                "Gather",
                node(
                    "Seq Scan", ms=30, rows=5, loops=3, relation_name="orders",
                    rows_removed_by_filter=333_328, Filter=_FILTER, Parallel_Aware=True,
                ),
                ms=33,
                rows=15,
            )
        ),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", _SCAN, ms=55, rows=15)),
        # The LIMIT never got its rows, so the whole table was read.
        planned_trace(node("Limit", _SCAN, ms=55, rows=15, planned=100)),
    ),
    silent_on=(
        # A small table.
        planned_trace(
            node(
                "Seq Scan", ms=2, rows=1, relation_name="tags", rows_removed_by_filter=900,
                Filter="(tags.id = 3)",
            )
        ),
        # Half of the table is wanted.
        planned_trace(
            node(
                "Seq Scan", ms=90, rows=500_000, relation_name="orders", rows_removed_by_filter=500_000,
                Filter="(orders.status = 'paid'::text)",
            )
        ),
        # A LIMIT stopped the scan before it had read much.
        planned_trace(
            node(
                "Limit",
                node(
                    "Seq Scan", ms=2, rows=15, relation_name="orders", rows_removed_by_filter=9_000,
                    Filter=_FILTER,
                ),
                ms=2,
                rows=15,
            )
        ),
        # Nothing that an index on plain columns could answer.
        planned_trace(
            node(
                "Seq Scan", ms=80, rows=15, relation_name="orders", rows_removed_by_filter=999_985,
                Filter="((orders.note ~~ '%late%'::text) AND (orders.status <> 'paid'::text))",
            )
        ),
        # It never ran.
        planned_trace(node("Append", node("Seq Scan", loops=0, relation_name="orders"), ms=20)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _SCAN, ms=4000, rows=15)),
    ),
)  # fmt: skip
