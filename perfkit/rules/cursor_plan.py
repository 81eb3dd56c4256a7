"""A statement that is read through a cursor runs by a plan for its first rows.

What it finds
    A statement that ran through a named cursor (`stream_results`, `yield_per`, a named psycopg cursor), by a
    plan that is slower to the end than the one without a cursor.

Why is this slow
    The planner expects that only a tenth of a cursor's rows is read (`cursor_tuple_fraction`), and prefers
    a plan that has the first rows soon: a nested loop, an index in the order that is asked for. Nor does a
    cursor use parallel workers. Whoever reads all the rows waits longer. In psql the same statement is fast.

Example
    connection.execution_options(stream_results=True).execute(select(Order).order_by(Order.created_at))
    Nested Loop through the cursor; without it, Gather Merge over a hash join.

Use instead
    SET LOCAL cursor_tuple_fraction = 1.0;
    before the statement, if all its rows are read. A result that fits into memory needs no cursor, and one
    that only parallel processes make fast must be read without.

Thresholds
    min_factor (1.5): how many times longer the cursor's plan takes to its end.
    min_extra_ms (5): by how many milliseconds.

Stays silent when
    Both plans are the same, or the cursor's is as fast. One of them was not measured.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import AlternativePlan, Plan, PlanNode
from perfkit.model.plan_alternatives import extra_in_block_ms, slower_plans
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_processes import GATHER
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK269", "cursor-plan"


def cursor_plan(trace: Trace, *, min_factor: float = 1.5, min_extra_ms: float = 5.0) -> Iterator[Finding]:
    """Find statements that a cursor makes slower.

    Args:
        trace: a block with plans.
        min_factor: how many times longer the cursor's plan takes to its end.
        min_extra_ms: by how many milliseconds, one execution.
    """
    found = slower_plans(trace, "cursor", min_factor=min_factor, min_extra_ms=min_extra_ms)
    for number, item, other, extra in found:
        yield _finding(trace, number, item, other, extra)


def _finding(trace: Trace, number: int, item: Plan, other: AlternativePlan, extra: float) -> Finding:
    saving_ms = extra_in_block_ms(extra, item, other, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"Through the cursor the statement takes {other.plan.duration_ms or 0.0:,.1f} ms to its end, "
            f"without one {item.duration_ms or 0.0:,.1f} ms."
        ),
        advice=_advice(item, other.plan),
        refutation=(
            "Refuted if the program stops after the first rows: for those the cursor's plan is the better "
            "one."
        ),
        confidence=0.7,
        location=item.call_site,
        offenders=(item.root.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Through the cursor: {_kinds(other.plan)}.",
            f"Without: {_kinds(item)}.",
        ),
    )


def _advice(item: Plan, other: Plan) -> str:
    if _reads(item) == _reads(other):
        return (
            "A cursor never uses parallel processes: read without one if the result fits into memory, else "
            "range by range of the primary key, a statement each."
        )
    return (
        "If all rows are read, tell the planner so, in the same transaction before the statement; "
        "a result that fits into memory needs no cursor.\nSET LOCAL cursor_tuple_fraction = 1.0;"
    )


def _reads(item: Plan) -> list[tuple[str, str | None, str | None]]:
    """How the tables are read and joined, whoever does it."""
    return [
        (one.node_type, one.relation_name, one.index_name)
        for one in item.nodes()
        if one.node_type not in GATHER
    ]


def _kinds(item: Plan) -> str:
    return ", ".join(dict.fromkeys(one.node_type for one in item.nodes()))


def _streamed(free: PlanNode, cursor: PlanNode) -> Trace:
    other = AlternativePlan("cursor", plan(cursor), executions=1)
    item = plan(free, alternatives=(other,))
    return block(plans=(item,), duration_ms=cursor.actual_total_time or 0.0)


def _in_order(ms: float) -> PlanNode:
    return node("Index Scan", ms=ms, rows=90_000, relation_name="orders", index_name="orders_created_at")


_SORTED = node("Sort", node("Seq Scan", ms=30, rows=90_000, relation_name="orders"), ms=70, rows=90_000)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=cursor_plan,
    fires_on=(
        _streamed(_SORTED, _in_order(240)),
        # A cursor goes without the workers.
        _streamed(
            node("Gather", node("Seq Scan", ms=30, rows=30_000, loops=3, relation_name="orders"), ms=35),
            node("Seq Scan", ms=95, rows=90_000, relation_name="orders"),
        ),
    ),
    silent_on=(
        # As fast as without.
        _streamed(_SORTED, _in_order(80)),
        # The same plan.
        _streamed(_SORTED, _SORTED),
        # It read without a cursor.
        block(plans=(plan(_SORTED),), duration_ms=70),
        # Another plan for another reason.
        block(
            plans=(plan(_SORTED, alternatives=(AlternativePlan("generic", plan(_in_order(240))),)),),
            duration_ms=240,
        ),
    ),
)
