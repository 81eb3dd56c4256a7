"""Measuring the plan took longer than the statement itself.

What it finds
    A plan whose execution, with every row timed, took far longer than the statement did in the program.

Why is this slow
    It is not: EXPLAIN ANALYZE reads the clock twice for each row of each node. Where many rows pass through
    cheap nodes, as in a nested loop, that is most of the time, and it makes exactly those nodes look dear.

Example
    A nested loop over 5 million rows: 212 ms in the program, 319 ms with EXPLAIN (ANALYZE, TIMING OFF),
    703 ms with EXPLAIN (ANALYZE).

Use instead
    Trust the rows and the blocks of this plan, and distrust its times. Without the clock:
    EXPLAIN (ANALYZE, TIMING OFF, BUFFERS) …

Thresholds
    min_factor (1.5): how many times longer the plan took than the program saw (reference notes, section 3).
    min_difference_ms (10): by how many milliseconds.
    min_readings (100,000): rows and loops of all nodes: without many, the clock is not the reason.
    max_read_share (0.1): share of the blocks that came from the disk: above that the disk may be the reason.

Stays silent when
    Few rows passed. Blocks were read from the disk for the plan. The program's time is not known. It is
    never more than "info", and saves nothing.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_savings import measured_plans
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK270", "timing-overhead"


def timing_overhead(
    trace: Trace,
    *,
    min_factor: float = 1.5,
    min_difference_ms: float = 10.0,
    min_readings: float = 100_000,
    max_read_share: float = 0.1,
) -> Iterator[Finding]:
    """Find plans whose times are mostly those of measuring them.

    Args:
        trace: a block with plans.
        min_factor: how many times longer the plan took than the program saw.
        min_difference_ms: by how many milliseconds.
        min_readings: rows and loops of all nodes.
        max_read_share: share of the blocks that came from the disk, from 0 to 1.
    """
    for number, item, duration_ms in measured_plans(trace):
        blocks = item.root.buffers
        if item.client_time_ms is None or blocks.shared_read > max_read_share * blocks.shared:
            continue
        is_longer = duration_ms >= min_factor * item.client_time_ms
        is_much = duration_ms - item.client_time_ms >= min_difference_ms
        if is_longer and is_much and sum(map(_readings, item.nodes())) >= min_readings:
            yield _finding(number, item, duration_ms, item.client_time_ms)


def _readings(one: PlanNode) -> float:
    """How often the clock was read for a node: for each row, and once more at the end of each loop."""
    return (one.total_rows or 0.0) + (one.actual_loops or 0)


def _finding(number: int, item: Plan, duration_ms: float, client_ms: float) -> Finding:
    busiest = max(item.nodes(), key=_readings)
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=f"With every row timed it took {duration_ms:,.0f} ms, in the program {client_ms:,.0f} ms.",
        advice=(
            "Trust the rows and blocks of this plan; the times of nodes with many rows or loops are too "
            "long. Measure without the clock.\nEXPLAIN (ANALYZE, TIMING OFF, BUFFERS) …"
        ),
        refutation=(
            "Refuted if it takes as long with TIMING OFF: then the server was busy, or the plan another one, "
            "when it was explained."
        ),
        confidence=0.7,
        location=item.call_site,
        offenders=(busiest.node_id,),
        plan=number,
        saving_ms=0.0,
        evidence=(f"{busiest.node_type}: {_readings(busiest):,.0f} rows and loops.",),
    )


def _looped(client_ms: float | None, ms: float = 703, *, loops: int = 300_000, read: int = 0) -> Trace:
    inner = node("Index Scan", ms=ms / loops / 2, loops=loops, relation_name="items")
    root = node(
        "Nested Loop", node("Seq Scan", ms=20, rows=loops), inner, ms=ms, rows=loops,
        shared_hit_blocks=9_000, shared_read_blocks=read,
    )  # fmt: skip
    return block(plans=(plan(root, client_time_ms=client_ms),), duration_ms=client_ms or ms)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=timing_overhead,
    fires_on=(
        _looped(212),
        _looped(80, 130),
    ),
    silent_on=(
        _looped(600),
        # A plan that was pasted says nothing of the program.
        _looped(None),
        # Not many rows: something else was different.
        _looped(20, 200, loops=900),
        # The disk made it slow.
        _looped(212, read=4_000),
        # A few milliseconds.
        _looped(8, 14),
    ),
)
