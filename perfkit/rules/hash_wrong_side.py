"""A hash join that hashed the larger side, because the planner expected it to be the smaller one.

What it finds
    A hash that did not fit into memory and holds three times as many rows as the other side gave, though the
    planner had expected fewer.

Why is this slow
    A hash join keeps one side in memory and reads the other past it. With the smaller side in memory all of
    it fits; with the larger one both sides go through temporary files in batches. Only the estimate was
    wrong.

Example
    SELECT … FROM addresses JOIN sessions ON … WHERE addresses.region = 7 AND addresses.city = 7
    300 addresses are expected and hashed, 30,000 come; there are 8,000 sessions.

Use instead
    Correct the estimate: ANALYZE addresses; and for columns that depend on each other CREATE STATISTICS. The
    planner then hashes the other side by itself.

Thresholds
    min_ratio (3): rows hashed for each row of the other side; ours, as a hash of twice the rows costs little
        more than its mirror.
    min_batches (2): batches from which it counts as not fitting into memory.
    min_time_share (0.1): what hash and join took of the execution time; depesz starts to colour at 10 %.

Stays silent when
    The hash fits into memory. The planner expected the larger side and hashed it knowingly, as for a side
    with many equal keys. The join is an outer, a semi- or an anti-join, which may have to hash that side.
    The other side was cut short by a LIMIT. Hash and join take little of the time.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_joins import join_sides
from perfkit.model.plan_memory import spilled_mb
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_scans import over_processes
from perfkit.model.plan_shape import cut_short
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK246", "hash-wrong-side"
# Hashing the other side took 10 ms where this one took 28 in our measurement; the rest is left to doubt.
_SAVED_SHARE = 0.5


def hash_wrong_side(
    trace: Trace, *, min_ratio: float = 3.0, min_batches: int = 2, min_time_share: float = 0.1
) -> Iterator[Finding]:
    """Find hash joins that hashed the larger side by mistake.

    Args:
        trace: a block with plans.
        min_ratio: rows hashed for each row of the other side.
        min_batches: batches of the hash.
        min_time_share: what hash and join took of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        early = cut_short(plan)
        for join in plan.nodes():
            sides = join_sides(join) if join.node_type == "Hash Join" else None
            if sides is None or join.node_id in early or join.attributes.get("Join Type", "Inner") != "Inner":
                continue
            outer, hashed = sides
            own_ms = (join.self_time_ms or 0.0) + (hashed.self_time_ms or 0.0)
            is_spilled = over_processes(hashed, "Hash Batches") >= max(2, min_batches)
            is_costly = own_ms >= min_time_share * duration_ms and is_worth_a_line(own_ms, duration_ms)
            if is_spilled and is_costly and _is_mistaken(outer, hashed, min_ratio):
                yield _finding(trace, number, plan, join, outer, hashed)


def _is_mistaken(outer: PlanNode, hashed: PlanNode, min_ratio: float) -> bool:
    """Whether far more rows were hashed than searched for, where fewer had been expected."""
    is_larger = (hashed.total_rows or 0.0) >= min_ratio * max(1.0, outer.total_rows or 0.0)
    return is_larger and (hashed.plan_rows or 0.0) <= (outer.plan_rows or 0.0)


def _finding(
    trace: Trace, number: int, plan: Plan, join: PlanNode, outer: PlanNode, hashed: PlanNode
) -> Finding:
    own_ms = (join.self_time_ms or 0.0) + (hashed.self_time_ms or 0.0)
    saving_ms = saving_in_block(own_ms * _SAVED_SHARE, plan, trace)
    tables = dict.fromkeys(relation(scan) for scan in hashed.walk() if scan.relation_name)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{about(hashed).capitalize()} rows were hashed to be searched for "
            f"{about(outer)}: the planner expected "
            f"{hashed.plan_rows or 0:,.0f} and {outer.plan_rows or 0:,.0f}."
        ),
        advice="\n".join(
            [
                "Correct the estimate of the hashed side, and the planner hashes the other one: refresh its "
                "statistics, and look at the finding about its rows.",
                *[f"ANALYZE {table};" for table in tables],
            ]
        ),
        refutation=(
            "Refuted if the planner hashes the same side with a right estimate, as it does where the other "
            "side has many equal keys."
        ),
        confidence=0.7,
        location=plan.call_site,
        offenders=(hashed.node_id, join.node_id),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"{over_processes(hashed, 'Hash Batches'):,.0f} batches, and "
            f"{spilled_mb(hashed, join):,.1f} MB in temporary files.",
            f"Hash and join took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _join(
    *, batches: int = 4, planned: float = 300, ms: float = 120, kind: str = "Inner", probe: float = 8_000
) -> PlanNode:
    scan = node("Seq Scan", ms=30, rows=30_000, planned=planned, relation_name="addresses")
    hashed = node("Hash", scan, ms=40, rows=30_000, planned=planned, Hash_Batches=batches)
    outer = node("Seq Scan", ms=1, rows=probe, relation_name="sessions")
    return node("Hash Join", outer, hashed, ms=ms, rows=8_000, Join_Type=kind)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=hash_wrong_side,
    fires_on=(
        planned_trace(_join(), name="300 expected, 30,000 hashed"),
        planned_trace(node("Aggregate", _join(planned=7_000), ms=121), name="a few less expected"),
    ),
    silent_on=(
        planned_trace(_join(batches=1), name="it fits into memory"),
        planned_trace(_join(planned=30_000), name="hashed knowingly"),
        planned_trace(_join(kind="Left"), name="an outer join, which has no choice"),
        planned_trace(_join(probe=20_000), name="nearly as many on the other side"),
        planned_trace(node("Limit", _join(), ms=120, rows=10), name="the other side was cut short"),
        planned_trace(node("Sort", _join(), ms=9_000), name="the time goes elsewhere"),
    ),
)
