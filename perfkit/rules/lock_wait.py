"""The statement waited for rows that another transaction had changed.

What it finds
    A statement that changes or locks rows, and stood still for much longer than its blocks can explain:
    within the node that locks or writes them, or seen from the program.

Why is this slow
    Who changes a row, or selects it FOR UPDATE, waits until every transaction that changed it before has
    ended. However fast the statement is, it takes as long as the slowest of them is open.

Example
    UPDATE accounts SET balance = balance - 10 WHERE id = 1
    0.1 ms on an idle server, 800 ms while another request holds the row and calls a payment service.

Use instead
    Make the transactions short: nothing slow between the first change and COMMIT, no call to another
    service, no waiting for a person. Change rows in the same order everywhere. Rows that many want, such as
    counters and queues, want another shape: SELECT … FOR UPDATE SKIP LOCKED, or INSERT instead of UPDATE.
    Who blocks whom, while it happens:
    SELECT pid, pg_blocking_pids(pid), state, query FROM pg_stat_activity WHERE wait_event_type = 'Lock';

Thresholds
    min_wait_ms (100): milliseconds without work.
    min_share (0.5): that time's share of the execution, or of what the program saw, from 0 to 1.
    The budget that is taken off first is generous: 1 ms for each row, 20 ms for each block read from the
    disk, 0.05 ms for each other block; where only the program's time tells of the wait, 20 ms for each
    block, as if none had been in the cache. All are our choice: nothing else that we know of takes so long
    over so few rows.

Stays silent when
    The statement touches many rows or blocks: then it was at work. Triggers took the time. The statement
    only reads. The plan was not measured, as for all writes unless asked for.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_client import outside_server_ms
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK267", "lock-wait"
_LOCKING = ("LockRows", "ModifyTable")
_MS_PER_ROW, _MS_PER_READ, _MS_PER_HIT = 1.0, 20.0, 0.05


def lock_wait(trace: Trace, *, min_wait_ms: float = 100.0, min_share: float = 0.5) -> Iterator[Finding]:
    """Find statements that waited for another transaction.

    Args:
        trace: a block with plans.
        min_wait_ms: milliseconds without work.
        min_share: that time's share of the execution, or of what the program saw, from 0 to 1.
    """
    for number, item, duration_ms in measured_plans(trace):
        locking = next((one for one in item.nodes() if one.node_type in _LOCKING and one.executed), None)
        if locking is None:
            continue
        in_plan_ms, in_program_ms = _idle_ms(item, locking), _idle_outside_ms(item)
        wait_ms, whole_ms = max(
            (in_plan_ms, duration_ms), (in_program_ms, item.client_time_ms or duration_ms)
        )
        if wait_ms >= max(min_wait_ms, min_share * whole_ms):
            yield _finding(trace, number, item, locking, wait_ms)


def _idle_ms(item: Plan, locking: PlanNode) -> float:
    """Milliseconds of the node that neither its rows, its blocks nor triggers explain."""
    rows = max(locking.total_rows or 0.0, *(child.total_rows or 0.0 for child in locking.children), 0.0)
    blocks = locking.self_buffers
    worked_ms = _MS_PER_ROW * rows + _MS_PER_READ * blocks.shared_read + _MS_PER_HIT * blocks.shared_hit
    return (locking.self_time_ms or 0.0) - item.trigger_time_ms - worked_ms


def _idle_outside_ms(item: Plan) -> float:
    """Milliseconds that the program waited, less what the blocks would take if none were in the cache."""
    rows = sum(one.total_rows or 0.0 for one in item.nodes())
    return outside_server_ms(item) - _MS_PER_ROW * rows - _MS_PER_READ * item.root.buffers.shared


def _finding(trace: Trace, number: int, item: Plan, locking: PlanNode, wait_ms: float) -> Finding:
    saving_ms = saving_in_block(wait_ms, item, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"The statement stood still for about {wait_ms:,.0f} ms; it most likely waited for a lock.",
        advice=(
            "Keep the transactions that change these rows short, with nothing slow before their COMMIT, and "
            "see who blocks whom while it happens.\n"
            "SELECT pid, pg_blocking_pids(pid), state, query FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock';"
        ),
        refutation=(
            "Refuted if the statement takes as long while no other session is connected, or if the machine "
            "itself stood still."
        ),
        confidence=0.6,
        location=item.call_site,
        offenders=(locking.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"{locking.node_type} itself took {locking.self_time_ms or 0.0:,.1f} ms.",
            f"All of the statement touched {item.root.buffers.shared:,} blocks.",
        ),
    )


def _change(ms: float, *, rows: float = 1, read: int = 0, hit: int = 6, **said: Any) -> Trace:
    scan = node("Index Scan", ms=0.05, rows=rows, relation_name="accounts", shared_hit_blocks=3)
    root = node("ModifyTable", scan, ms=ms, rows=0, shared_hit_blocks=hit, shared_read_blocks=read)
    item = plan(root, **said)
    return block(plans=(item,), duration_ms=max(ms, item.client_time_ms or 0.0))


_LOCKED = node(
    "LockRows", node("Index Scan", ms=0.05, relation_name="accounts", shared_hit_blocks=3), ms=800,
    shared_hit_blocks=5,
)  # fmt: skip
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=lock_wait,
    fires_on=(
        _change(800),
        block(plans=(plan(_LOCKED),), duration_ms=800),
        # The plan was made when the row was free again.
        _change(0.1, client_time_ms=900.0),
    ),
    silent_on=(
        _change(0.1, client_time_ms=0.4),
        # Many rows: it was at work.
        _change(800, rows=20_000, hit=90_000),
        # It read from a slow disk.
        _change(300, rows=10, read=20),
        # A trigger took the time.
        _change(800, triggers=(TriggerTime("audit", 790.0, 1),)),
        # The program waited no longer than a cold disk explains.
        _change(0.1, hit=60, client_time_ms=900.0),
        # Only a read: whatever it waited for was no row.
        block(plans=(plan(node("Index Scan", ms=0.1), client_time_ms=900.0),), duration_ms=900),
    ),
)
