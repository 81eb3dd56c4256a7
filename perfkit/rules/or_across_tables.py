"""A join reads both tables whole, because OR joins conditions on one table and on the other.

What it finds
    A join that throws away most of what it joined, by a condition in which OR names two tables:
    customers.email = 'a' OR orders.note = 'b', or a join on one pair of columns OR another.

Why is this slow
    Such a condition can only be tested on rows that are joined already. So no table can be narrowed before
    the join, and no index leads to the rows that are wanted. A join on `a = b OR c = d` cannot use hashes or
    order at all: every row is compared with every other.

Example
    SELECT ... FROM customers c JOIN orders o ON o.customer_id = c.id
    WHERE c.email = 'ann@example.org' OR o.note = 'urgent'
    joins 900,000 rows to keep 3.

Use instead
    SELECT ... WHERE c.email = 'ann@example.org'
    UNION
    SELECT ... WHERE o.note = 'urgent'
    Each statement narrows its own table first. Select the keys of both tables too: UNION makes equal rows
    one, and without the keys it would lose rows that only look alike (pganalyze, Late Join Filter with OR).

Thresholds
    min_removed_factor (10): rows that the join threw away, for each row that it kept; pganalyze's insight
        has no number, ten is the factor of the other rules about wasted joins.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    All sides of OR are about one table: that is narrowed before the join. The join keeps most of what it
    joins. The condition names two tables without OR. Few rows are joined, or the time goes elsewhere.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_disjunctions import Disjunction, disjunctions
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, own_time_words, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK227", "or-across-tables"
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")
# What a join does for itself alone.
_HELPERS = ("Hash", "Materialize", "Memoize")
_CONFIDENCE = 0.6


def or_across_tables(
    trace: Trace, *, min_removed_factor: float = 10.0, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find joins that are narrowed by an OR over two tables only after they were made.

    Args:
        trace: a block with plans.
        min_removed_factor: rows that the join threw away, for each row that it kept.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for join in plan.nodes():
            removed, kept = _removed(join), join.total_rows or 0.0
            if removed < max(1.0, min_removed_rows, min_removed_factor * kept):
                continue
            either = _either(join) if is_worth_a_line(_saving_ms(join), duration_ms) else None
            if either is not None:
                yield _finding(trace, number, plan, join, either)


def _either(join: PlanNode) -> Disjunction | None:
    if join.node_type not in _JOINS:
        return None
    found = [*disjunctions(join, "Join Filter"), *disjunctions(join, "Filter")]
    return next((item for item in found if len(item.tables) > 1), None)


def _removed(join: PlanNode) -> float:
    by_join = join.attributes.get("Rows Removed by Join Filter")
    average = float(by_join) if isinstance(by_join, int | float) else 0.0
    return average * (join.actual_loops or 0) + (join.total_rows_removed or 0.0)


def _saving_ms(join: PlanNode) -> float:
    """The join's own time and that of what it builds for itself; reading the tables may stay."""
    helpers = (child.self_time_ms or 0.0 for child in join.children if child.node_type in _HELPERS)
    return (join.self_time_ms or 0.0) + sum(helpers)


def _finding(trace: Trace, number: int, plan: Plan, join: PlanNode, either: Disjunction) -> Finding:
    saving_ms = saving_in_block(_saving_ms(join), plan, trace)
    removed, kept = _removed(join), join.total_rows or 0.0
    unions = "\nUNION\n".join(f"SELECT ... WHERE {arm}" for arm in either.arms)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{about(join, removed + kept).capitalize()} rows are joined to keep {about(join)}, for which "
            f"an OR over {' and '.join(either.tables)} holds."
        ),
        advice=(
            "Ask one side of OR at a time and unite the results, with the keys of both tables among the "
            f"columns, so that no row is lost that only looks like another.\n{unions}"
        ),
        refutation=(
            "Refuted if the sides alone find so many rows that uniting them takes as long, or if no index "
            "leads to the rows of either side."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(join.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(own_time_words("join", join, plan),),
    )


_OR = "((c.email = ?::text) OR (o.note = ?::text))"


def _join(condition: str, *, rows: float = 2, removed: float = 99_998, ms: float = 90) -> PlanNode:
    return node(
        "Hash Join",
        node("Seq Scan", ms=12, rows=100_000, relation_name="orders"),
        node("Hash", node("Seq Scan", ms=5, rows=30_000, relation_name="customers"), ms=15, rows=30_000),
        ms=ms,
        rows=rows,
        Join_Filter=condition,
        Rows_Removed_by_Join_Filter=removed,
    )


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=or_across_tables,
    fires_on=(
        planned_trace(_join(_OR)),
        # Tested after an outer join.
        planned_trace(
            node(
                "Hash Join",
                node("Seq Scan", ms=12, rows=100_000, relation_name="orders"),
                ms=90,
                rows=2,
                rows_removed_by_filter=99_998,
                Filter=_OR,
            )
        ),
        # Joined by one pair of columns or another.
        planned_trace(
            node(
                "Nested Loop",
                node("Seq Scan", ms=2, rows=3_000, relation_name="orders"),
                node("Materialize", ms=0.01, rows=300, loops=3_000),
                ms=100,
                rows=300,
                Join_Filter="((o.customer_id = c.id) OR (o.note = c.code))",
                Rows_Removed_by_Join_Filter=899_700,
            )
        ),
    ),
    silent_on=(
        # One table.
        planned_trace(_join("((o.note = 'a'::text) OR (o.city = 'Bern'::text))")),
        # Two tables without OR: an unequal join.
        planned_trace(_join("(o.created_at < c.joined)")),
        # Most of what is joined is kept.
        planned_trace(_join(_OR, rows=60_000, removed=40_000)),
        # Few rows.
        planned_trace(_join(_OR, removed=900)),
        # The time goes elsewhere.
        planned_trace(node("Sort", _join(_OR, ms=27.5), ms=4_000)),
        # It never ran.
        planned_trace(node("Append", node("Hash Join", loops=0, Join_Filter=_OR), ms=40)),
    ),
)
