"""A nested loop that runs thousands of times, because the planner expected a few rows.

What it finds
    A nested loop whose outer side returned ten times as many rows as expected, and which ran its inner side
    once for each of them.

Why is this slow
    For one or ten rows, looking up the other table row by row is the fastest join there is. For thousands,
    reading that table once and hashing it costs less. The planner would have known, had the estimate been
    right: the join is the victim, the estimate the cause.

Example
    SELECT … FROM orders JOIN users ON … WHERE orders.status = 'open' AND orders.created_at > …
    75 orders were expected and 15,000 came, each with a look-up of its own.

Use instead
    ANALYZE orders;
    or better statistics, by the cause. Not enable_nestloop = off: it forbids all loops of the statement, the
    good ones as well, and hides the wrong number from whatever is planned next.

Thresholds
    min_factor (10): how many times more rows came than were expected; pgMustard, pev2 and depesz mark ten.
    min_loops (1,000): how often the inner side ran.
    min_time_share (0.3): the loop's share of the execution time (reference notes on EXPLAIN, rule 34).
    min_inner_ms (0.01): average milliseconds of one run of the inner side, where the size of its table is
        not known: such a look-up is as cheap as it gets, and hashing may not be any cheaper.

Stays silent when
    The estimate was right, so the loop was chosen knowingly. Hashing the whole inner table would take as
    long as the look-ups did: with a right estimate it would be a nested loop too. The loop ran a few times.
    Another rule knows why the estimate is wrong: columns that depend on each other, stale statistics, an
    expression without statistics. The rows were cut short by a LIMIT.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_estimates import (
    estimate_evidence,
    estimate_words,
    loop_saving_ms,
    wrong_estimates,
)
from perfkit.model.plan_joins import join_sides
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import feeds_nested_loop
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK243", "nested-loop-misestimate"


def nested_loop_misestimate(
    trace: Trace,
    *,
    min_factor: float = 10.0,
    min_loops: int = 1000,
    min_time_share: float = 0.3,
    min_inner_ms: float = 0.01,
) -> Iterator[Finding]:
    """Find nested loops that were chosen for far fewer rows than came.

    Args:
        trace: a block with plans.
        min_factor: how many times more rows came than were expected.
        min_loops: how often the inner side ran.
        min_time_share: the loop's share of the execution time, from 0 to 1.
        min_inner_ms: average milliseconds of one run of an inner side of unknown size.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for cause in wrong_estimates(plan, min_factor=min_factor):
            loop = feeds_nested_loop(plan, cause)
            if loop is None or (cause.actual_rows or 0.0) <= (cause.plan_rows or 0.0):
                continue
            if (loop.total_time_ms or 0.0) < min_time_share * duration_ms:
                continue
            saving_ms = _saving_ms(plan, loop, min_loops, min_inner_ms)
            if saving_ms is not None and is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, number, plan, loop, cause, saving_ms)


def _saving_ms(plan: Plan, loop: PlanNode, min_loops: int, min_inner_ms: float) -> float | None:
    """What another join would save; without the size of the inner table, what the look-ups took."""
    sides = join_sides(loop)
    if sides is None or (sides[1].actual_loops or 0) < min_loops:
        return None
    inner = sides[1]
    known = loop_saving_ms(plan, loop)
    if known is not None:
        return known
    return inner.total_time_ms if (inner.actual_total_time or 0.0) > min_inner_ms else None


def _finding(
    trace: Trace, number: int, plan: Plan, loop: PlanNode, cause: PlanNode, saving_ms: float
) -> Finding:
    saving_ms = saving_in_block(saving_ms, plan, trace)
    runs = sum(child.actual_loops or 0 for child in loop.children if child.parent_relationship == "Inner")
    is_known = loop_saving_ms(plan, loop) is not None
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{estimate_words(cause)[:-1]}, so a nested loop ran its inner side {runs:,} times.",
        advice=_advice(cause),
        refutation=(
            "Refuted if the planner keeps the nested loop with a right estimate. "
            + ("" if is_known else "How large the inner table is was not known, so the saving is a limit. ")
            + "Turning nested loops off only hides the cause."
        ),
        confidence=0.75 if is_known else 0.5,
        location=plan.call_site,
        offenders=(cause.node_id, loop.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=estimate_evidence(plan, cause),
    )


def _advice(cause: PlanNode) -> str:
    tables = dict.fromkeys(relation(scan) for scan in cause.walk() if scan.relation_name)
    return "\n".join(
        [
            "Correct the estimate, not the join: refresh the statistics of what feeds the loop, then explain "
            "the statement again. If it stays wrong, put these rows into a temporary table first: once it is "
            "analysed, the planner knows their number.",
            *[f"ANALYZE {table};" for table in tables],
        ]
    )


_CONDITION = "((orders.status = 'open'::text) AND (orders.created_at > '2026-01-01'::date))"


def _loop(
    *, rows: float = 15_000, planned: float = 75, inner_ms: float = 0.02, kind: str = "Index Scan"
) -> PlanNode:
    outer = node("Seq Scan", ms=20, rows=rows, planned=planned, relation_name="orders", Filter=_CONDITION)
    probe = node(kind, ms=inner_ms, rows=1, loops=int(rows), relation_name="users")
    whole_ms = 21 + inner_ms * rows
    return node("Nested Loop", outer, probe, ms=whole_ms, rows=rows, planned=planned)


_USERS = example_table("users", rows=20_000.0)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=nested_loop_misestimate,
    yields_to=("correlated-columns", "stale-statistics", "default-selectivity"),
    fires_on=(
        planned_trace(_loop(), name="nothing is known of the inner table"),
        planned_trace(_loop(inner_ms=0.005), tables=(_USERS,), name="hashing the users would take 11 ms"),
    ),
    silent_on=(
        planned_trace(_loop(planned=14_000), name="expected, so chosen knowingly"),
        planned_trace(
            _loop(inner_ms=0.005),
            tables=(example_table("users", rows=50_000_000.0),),
            name="hashing 50 million users would take longer",
        ),
        planned_trace(_loop(inner_ms=0.005), name="look-ups as cheap as they get, in a table of any size"),
        planned_trace(_loop(rows=900, planned=5), name="it ran a few times"),
        planned_trace(node("Sort", _loop(), ms=1_200), name="the time goes elsewhere"),
        planned_trace(_loop(rows=15_000, planned=400_000), name="fewer rows came than were expected"),
    ),
)  # fmt: skip
