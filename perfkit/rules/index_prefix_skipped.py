"""An index is searched by a column that does not come first in it.

What it finds
    A scan of an index whose condition leaves out the leading column, so that the whole index was read, or
    that many searches were needed, one for each value of the column that was left out.

Why is this slow
    An index is sorted by its first column. Without a condition on that, the entries that match lie
    scattered over the whole index. PostgreSQL 18 skips from one value of the leading column to the next,
    which is fine for some tens of values and no help for thousands; before, it read every page.

Example
    SELECT * FROM visits WHERE day = '2025-06-01'
    with an index on (user_id, day): one search for each of 2,000 users.

Use instead
    CREATE INDEX ON visits (day);
    or an index on (day, user_id) in place of the other, where both are always asked for together.

Thresholds
    min_searches (100): searches a loop from which skipping is worth a finding. 39 took half a millisecond.
    min_index_pages (100): pages of the index read in each loop where the leading column has no condition.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The leading column is compared for equality. The searches are those of an IN list, one for each value. A
    few searches were enough. The condition fits most of the table anyway. It takes no time.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.catalog import Column
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import IndexCandidate, index_for_arms
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
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
    condition_arms,
    has_index_led_by,
    index_of,
    index_scans,
    number,
    rows_read,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK208", "index-prefix-skipped"
# A page of an index holds a hundred entries and more, and each is looked at.
_ENTRIES_A_PAGE = 100
# A search goes down the tree and looks at a page: about as much as some ten rows.
_ROWS_A_SEARCH = 10


def index_prefix_skipped(
    trace: Trace, *, min_searches: float = 100, min_index_pages: float = 100
) -> Iterator[Finding]:
    """Find indexes that are searched by a column in the middle.

    Args:
        trace: a block with plans.
        min_searches: searches of the index in each loop.
        min_index_pages: pages of the index in each loop, where the leading column has no condition.
    """
    for position, plan, duration_ms in measured_plans(trace):
        for scan in plan.nodes():
            if not scan.executed or scan.node_type not in (*INDEX_SCANS, BITMAP_SCAN):
                continue
            for part in index_scans(scan):
                wasted = _wasted_rows(plan, scan, part, min_searches, min_index_pages)
                own_ms = part.self_time_ms or 0.0
                saving_ms = own_ms * wasted / (wasted + rows_read(part)) if wasted else 0.0
                candidate = _candidate(plan, scan, part) if wasted else None
                if candidate is not None and is_worth_a_line(saving_ms, duration_ms):
                    yield _finding(trace, position, plan, (scan, part), candidate, saving_ms)


def _wasted_rows(plan: Plan, scan: PlanNode, part: PlanNode, min_searches: float, min_pages: float) -> float:
    """What the wrong order cost, counted in rows that could have been read; 0 if that was little."""
    condition, loops = str(part.attributes.get("Index Cond", "")), part.actual_loops or 0
    searches = number(part, "Index Searches")
    if not condition or not loops or "= ANY (" in condition:
        return 0.0
    pages = max(0.0, part.self_buffers.shared - (rows_read(part) if part is scan else 0.0))
    skipped = searches >= max(2.0, min_searches) * loops
    walked = pages >= max(1.0, min_pages) * loops and _leaves_out_the_first(plan, scan, part)
    return max(_ROWS_A_SEARCH * searches, _ENTRIES_A_PAGE * pages) if skipped or walked else 0.0


def _leaves_out_the_first(plan: Plan, scan: PlanNode, part: PlanNode) -> bool:
    index = index_of(plan, scan, part.index_name)
    if index is None or index.method != "btree":
        return False
    arms = condition_arms(scan, part.attributes.get("Index Cond"))
    return bool(arms) and all(arm.column and arm.column not in index.keys[:1] for arm in arms)


def _candidate(plan: Plan, scan: PlanNode, part: PlanNode) -> IndexCandidate | None:
    """An index led by what was asked for; `None` where it begins like the one that was used."""
    arms = (*condition_arms(scan, part.attributes.get("Index Cond")), *filter_arms(scan))
    candidate = index_for_arms(scan, tuple(arm for arm in arms if arm.column))
    if candidate is None or has_index_led_by(plan.table_of(scan), candidate.columns[:1]):
        return None
    return candidate


def _finding(
    trace: Trace,
    position: int,
    plan: Plan,
    scans: tuple[PlanNode, PlanNode],
    candidate: IndexCandidate,
    saving_ms: float,
) -> Finding:
    scan, part = scans
    saving_ms = saving_in_block(saving_ms, plan, trace)
    searches = number(part, "Index Searches")
    how = f"{searches:,.0f} searches" if searches > (part.actual_loops or 0) else "a walk over all its pages"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan)}: {part.index_name} was searched without its first column: it took {how} to "
            f"find {about(part, None, 'row')}."
        ),
        advice=(
            "An index that begins with the column that is asked for needs one search. It is suggested, not "
            f"proved.\n{candidate.statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the leading column has few "
            "values on the data that counts."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(part.node_id,),
        plan=position,
        saving_ms=saving_ms,
        evidence=(
            f"Index Cond: {part.attributes.get('Index Cond')}",
            f"Blocks: {part.self_buffers.shared:,}.",
            own_time_words("scan", part, plan),
        ),
    )


_DAY = "(visits.day = '2025-06-01'::date)"
_BOTH = example_index("visits_user_id_day", "user_id", "day")
_COLUMNS = (Column("user_id", "integer"), Column("day", "date"))
_VISITS = example_table("visits", columns=_COLUMNS, indexes=(_BOTH,))


def _scan(*, searches: int, condition: str = _DAY, **said: Any) -> PlanNode:
    defaults: dict[str, Any] = {"ms": 6, "rows": 150, "relation_name": "visits", "shared_hit_blocks": 6_000}
    return node(
        "Index Scan", index_name="visits_user_id_day", Index_Cond=condition, Index_Searches=searches,
        **{**defaults, **said},
    )  # fmt: skip


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=index_prefix_skipped,
    fires_on=(
        planned_trace(_scan(searches=2_000)),
        # One search that walked over the whole index.
        planned_trace(_scan(searches=1), tables=(_VISITS,)),
        # The bitmap was filled that way.
        planned_trace(
            node(
                BITMAP_SCAN,
                node(
                    "Bitmap Index Scan", ms=6, rows=150, index_name="visits_user_id_day", Index_Cond=_DAY,
                    Index_Searches=2_000,
                ),
                ms=7,
                rows=150,
                relation_name="visits",
            )
        ),
    ),
    silent_on=(
        # Skipping over a few values is fine.
        planned_trace(_scan(searches=39)),
        # Nobody knows the columns of the index.
        planned_trace(_scan(searches=1)),
        # One search for each value of a list.
        planned_trace(_scan(searches=2_000, condition="(visits.user_id = ANY ('{1,2,3}'::integer[]))")),
        # One search for each row of a join.
        planned_trace(
            node(
                "Nested Loop",
                node("Seq Scan", ms=1, rows=2_000),
                _scan(searches=2_000, loops=2_000, ms=0.003, rows=1),
                ms=9,
            )
        ),
        # The leading column has a condition.
        planned_trace(
            _scan(searches=1, condition="((visits.user_id = 3) AND (visits.day > '2025-06-01'::date))"),
            tables=(_VISITS,),
        ),
        # A few pages.
        planned_trace(_scan(searches=1, shared_hit_blocks=190), tables=(_VISITS,)),
        # It takes no time.
        planned_trace(_scan(searches=150, ms=0.5)),
    ),
)  # fmt: skip
