"""A prepared statement runs by a plan that was made without its values.

What it finds
    A prepared statement that the server ran by its generic plan, where the plan for these values is another
    one and faster.

Why is this slow
    A prepared statement is planned for its values five times. If a plan for any values looks no dearer on
    average, that one is kept. Where values differ much in their number of rows, it fits none: psycopg
    prepares a statement by itself at its fifth execution, and from then on the rare value is looked up by
    the plan for a common one. In psql the same statement is fast, because there it has its value.

Example
    SELECT * FROM orders WHERE status = $1
    with 'refunded': 333,333 rows expected, 1,000 come, read by a scan of the whole table.

Use instead
    SET plan_cache_mode = force_custom_plan;
    for the role or the transaction that runs it, or do not prepare:
    create_engine(url, connect_args={"prepare_threshold": None})

Thresholds
    min_factor (2): how many times longer the generic plan takes.
    min_extra_ms (5): by how many milliseconds, one execution, planning anew already counted.

Stays silent when
    Both plans are the same, or the generic one is as fast. One of them was not measured: estimates of a plan
    without values say nothing of these values.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import AlternativePlan, Plan, PlanNode
from perfkit.model.plan_alternatives import extra_in_block_ms, slower_plans
from perfkit.model.plan_builders import node, plan
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK268", "generic-plan"


def generic_plan(trace: Trace, *, min_factor: float = 2.0, min_extra_ms: float = 5.0) -> Iterator[Finding]:
    """Find prepared statements whose generic plan is the slower one.

    Args:
        trace: a block with plans.
        min_factor: how many times longer the generic plan takes.
        min_extra_ms: by how many milliseconds, one execution.
    """
    found = slower_plans(trace, "generic", min_factor=min_factor, min_extra_ms=min_extra_ms)
    for number, item, other, extra in found:
        yield _finding(trace, number, item, other, extra)


def _finding(trace: Trace, number: int, item: Plan, other: AlternativePlan, extra: float) -> Finding:
    saving_ms = extra_in_block_ms(extra, item, other, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"Prepared, the statement takes {other.plan.duration_ms or 0.0:,.1f} ms; planned for these "
            f"values, {item.duration_ms or 0.0:,.1f} ms."
        ),
        advice=(
            "Let the server plan it for its values, by a setting of the transaction or by not preparing it.\n"
            "SET LOCAL plan_cache_mode = force_custom_plan;\n"
            'create_engine(url, connect_args={"prepare_threshold": None})'
        ),
        refutation=(
            "Refuted if most executions have values for which the generic plan is the better one: a custom "
            "plan is made anew each time."
        ),
        confidence=0.8,
        location=item.call_site,
        offenders=(item.root.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=tuple(_evidence(other)),
    )


def _evidence(other: AlternativePlan) -> Iterator[str]:
    def wrong(one: PlanNode) -> float:
        return one.row_estimate_factor or 0.0

    worst = max(other.plan.nodes(), key=wrong)
    yield (
        f"Expected without the values: {counted(worst.plan_rows or 0.0, 'row')} of "
        f"{worst.relation_name or worst.node_type}; {worst.actual_rows or 0.0:,.0f} came."
    )
    if other.executions:
        yield f"The generic plan was used {counted(other.executions, 'time')}."


def _prepared(custom: PlanNode, generic: PlanNode, *, measured: bool = True, planning: float = 0.1) -> Trace:
    other = AlternativePlan("generic", plan(generic), executions=20)
    if not measured:
        other = AlternativePlan("generic", Plan("postgresql", "", PlanNode(0, "Seq Scan"), analyzed=False))
    item = plan(custom, alternatives=(other,), planning_time_ms=planning)
    return block(plans=(item,), duration_ms=20 * (generic.actual_total_time or 0.0))


def _scan(ms: float) -> PlanNode:
    return node("Seq Scan", ms=ms, rows=1_000, planned=333_333, relation_name="orders")


_LOOKUP = node("Index Scan", ms=1.5, rows=1_000, relation_name="orders", index_name="orders_status")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=generic_plan,
    fires_on=(
        _prepared(_LOOKUP, _scan(60)),
        _prepared(_LOOKUP, node("Gather", _scan(20), ms=25, rows=1_000)),
    ),
    silent_on=(
        # The same plan, on a bad day.
        _prepared(_LOOKUP, node("Index Scan", ms=9, relation_name="orders", index_name="orders_status")),
        # Another plan, as fast.
        _prepared(_LOOKUP, _scan(2.4)),
        # Planning anew takes what it would save.
        _prepared(_LOOKUP, _scan(12), planning=9),
        # It was only estimated.
        _prepared(_LOOKUP, _scan(60), measured=False),
        # Nothing is known of another plan.
        block(plans=(plan(_scan(60)),), duration_ms=60),
    ),
)
