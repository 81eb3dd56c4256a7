"""The server compiled the statement to machine code for longer than that could pay.

What it finds
    A plan of which just-in-time compilation took a good part.

Why is this slow
    From an estimated cost of 100,000 on, PostgreSQL compiles the statement's expressions with LLVM. That
    takes tens to hundreds of milliseconds on every execution, for each parallel process, and is kept for
    none. It pays for statements that run for many seconds. Where the estimate is too high, or the
    statement touches many partitions, compiling takes longer than what it compiles for.

Example
    SELECT sum(amount) FROM measurements WHERE day = '2026-01-05'
    26.8 of 26.8 ms are compilation, because the planner expected a million rows and there are 200.

Use instead
    SET LOCAL jit = off;
    for this transaction, or ALTER ROLE app SET jit = off; where all the statements are short. On a server
    with long reports, raise the estimate from which it compiles: ALTER SYSTEM SET jit_above_cost = 1000000;

Thresholds
    min_share (0.1): share of the execution time that went into compiling, from 0 to 1.
    min_jit_ms (10): milliseconds of compiling, for one process. Both are the reference notes' (rule 47).

Stays silent when
    The statement was not compiled, or runs so long that compiling it is a small part.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_processes import process_count
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK263", "jit-overhead"
# From a third of the time on compiling all but never pays; below, the rest may run faster for it.
_SURE_SHARE = 0.3
_SURE, _LIKELY = 0.8, 0.5


def jit_overhead(trace: Trace, *, min_share: float = 0.1, min_jit_ms: float = 10.0) -> Iterator[Finding]:
    """Find statements that were compiled for too long.

    Args:
        trace: a block with plans.
        min_share: share of the execution time that went into compiling, from 0 to 1.
        min_jit_ms: milliseconds of compiling, for one process.
    """
    for number, item, duration_ms in measured_plans(trace):
        jit_ms = _jit_ms(item, duration_ms)
        is_large = jit_ms >= min_jit_ms and jit_ms >= min_share * duration_ms
        if is_large and is_worth_a_line(jit_ms, duration_ms):
            yield _finding(trace, number, item, jit_ms, duration_ms)


def _jit_ms(item: Plan, duration_ms: float) -> float:
    """Milliseconds by the clock: PostgreSQL adds up the compiling of all the processes."""
    return min(duration_ms, (item.jit_time_ms or 0.0) / process_count(item))


def _finding(trace: Trace, number: int, item: Plan, jit_ms: float, duration_ms: float) -> Finding:
    saving_ms = saving_in_block(jit_ms, item, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"Compiling the statement took {jit_ms:,.0f} of {duration_ms:,.0f} ms.",
        advice=(
            "Switch just-in-time compilation off for this transaction, or for a role whose statements are "
            "all short.\nSET LOCAL jit = off;"
        ),
        refutation=(
            "Refuted if the statement takes as long with jit off: then the compiled expressions saved what "
            "compiling them cost."
        ),
        confidence=_SURE if jit_ms >= _SURE_SHARE * duration_ms else _LIKELY,
        location=item.call_site,
        offenders=(item.root.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=tuple(_evidence(item)),
    )


def _evidence(item: Plan) -> Iterator[str]:
    said = item.attributes.get("JIT")
    functions = said.get("Functions") if isinstance(said, Mapping) else None
    if functions is not None:
        yield f"{functions} functions were compiled."
    if process_count(item) > 1:
        yield f"Compiled in {process_count(item):.0f} processes, {item.jit_time_ms or 0.0:,.0f} ms together."


def _compiled(ms: float, jit_ms: float | None, *, processes: int = 1, **said: Any) -> Trace:
    scan = node("Seq Scan", ms=ms * 0.9, rows=200, loops=processes, relation_name="orders")
    root = node("Gather", scan, ms=ms, rows=200 * processes)
    return block(plans=(plan(root, jit_time_ms=jit_ms, **said),), duration_ms=ms)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=jit_overhead,
    fires_on=(
        _compiled(26.83, 26.76, attributes={"JIT": {"Functions": 4}}),
        _compiled(1282, 243),
    ),
    silent_on=(
        # It runs so long that compiling is a small part of it.
        _compiled(9_000, 240),
        # Soon compiled.
        _compiled(20, 6),
        # Not compiled at all, or by a server that cannot.
        _compiled(400, None),
        _compiled(400, 0.0),
        # Three processes compiled at the same time.
        _compiled(300, 60, processes=3),
    ),
)
