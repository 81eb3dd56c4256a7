"""The server thinks about the statement for longer than it works on it.

What it finds
    A statement whose planning takes at least as long as its execution, in a session that already knows the
    tables.

Why is this slow
    Before each execution the planner compares the ways to join the tables and to read each of them. With
    ten tables in one FROM, or hundreds of partitions, there are many thousands, however few rows there are
    in the end.

Example
    SELECT … FROM sales, customers, shops, products, … WHERE sales.id = 42
    11 tables: 30 ms of planning for 0.4 ms of execution.

Use instead
    Plan once, execute often: let the driver prepare the statement at its first execution,
    create_engine(url, connect_args={"prepare_threshold": 0})
    with psycopg. Join fewer tables in one statement: what is the same for all rows can be looked up once.
    Name the partition key in the condition, and keep partitions large.

Thresholds
    min_planning_ms (5): planning time in milliseconds, without what loading the catalogue took.
    The first statement of a session loads what the catalogue says of its tables, which counts as planning:
    1.4 to 2.8 µs for each block in our measurements, and next to no block afterwards. 5 µs are taken off for
    each block, and 1 ms for one from the disk.

Stays silent when
    The execution takes longer. The catalogue was loaded for this plan. The program saw less time than
    planning would take: it has the statement prepared already.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_client import planning_blocks
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK264", "planning-dominates"
_MS_PER_BLOCK, _MS_PER_READ = 0.005, 1.0
# From here on partitions are the likelier reason than joins: PostgreSQL plans each for itself.
_MANY_OF_ONE = 20


def planning_dominates(trace: Trace, *, min_planning_ms: float = 5.0) -> Iterator[Finding]:
    """Find statements that are planned for longer than they are executed.

    Args:
        trace: a block with plans.
        min_planning_ms: planning time in milliseconds, without what loading the catalogue took.
    """
    for number, item, duration_ms in measured_plans(trace):
        planning_ms = _planning_ms(item)
        is_long = planning_ms >= max(min_planning_ms, duration_ms)
        if is_long and is_worth_a_line(planning_ms, duration_ms + planning_ms):
            yield _finding(trace, number, item, planning_ms)


def _planning_ms(item: Plan) -> float:
    """What planning takes once the session knows the tables, and never more than the program saw."""
    hit, read = planning_blocks(item)
    warm_ms = (item.planning_time_ms or 0.0) - _MS_PER_BLOCK * hit - _MS_PER_READ * read
    return warm_ms if item.client_time_ms is None else min(warm_ms, item.client_time_ms)


def _finding(trace: Trace, number: int, item: Plan, planning_ms: float) -> Finding:
    saving_ms = saving_in_block(planning_ms, item, trace)
    tables = [scan.relation_name for scan in item.nodes() if scan.relation_name]
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=(
            f"Planning takes {planning_ms:,.1f} ms, the execution after it {item.duration_ms or 0.0:,.1f} ms."
        ),
        advice=_advice(len(tables)),
        refutation=(
            "Refuted if the statement is sent once and never again, or if the driver has it prepared "
            "already: then this plan alone was made anew."
        ),
        confidence=0.6 if item.client_time_ms is None else 0.8,
        location=item.call_site,
        offenders=(item.root.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"The plan reads {len(tables):,} tables and partitions.",),
    )


def _advice(reads: int) -> str:
    cause = (
        "Name the partition key in the condition, so that most partitions need no plan, and keep them large."
        if reads >= _MANY_OF_ONE
        else "Join fewer tables in one statement: look up once what is the same for all rows."
    )
    return (
        f"Let the driver prepare the statement, which is planned once then and executed often. {cause}\n"
        'create_engine(url, connect_args={"prepare_threshold": 0})'
    )


def _planned(planning_ms: float, ms: float, *, hit: int = 0, read: int = 0, **said: Any) -> Trace:
    root = node("Nested Loop", node("Index Scan", ms=ms / 2, relation_name="sales"), ms=ms)
    blocks = {"Planning": {"Shared Hit Blocks": hit, "Shared Read Blocks": read}}
    item = plan(root, planning_time_ms=planning_ms, attributes=blocks, **said)
    return block(plans=(item,), duration_ms=planning_ms + ms)


_PARTITIONS = node("Append", *[node("Index Scan", relation_name=f"p{i}") for i in range(30)], ms=9)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=planning_dominates,
    fires_on=(
        _planned(29, 9),
        _planned(12, 2, hit=40, client_time_ms=14.5),
        block(plans=(plan(_PARTITIONS, planning_time_ms=40.0),), duration_ms=49),
    ),
    silent_on=(
        # The usual case.
        _planned(0.3, 9),
        # Fast enough for anybody.
        _planned(3, 0.1),
        # It works longer than it thinks.
        _planned(20, 90),
        # The session saw these tables for the first time.
        _planned(16.9, 3.5, hit=10_684),
        _planned(9, 1, hit=60, read=8),
        # In the program it took less than planning would: it is prepared.
        _planned(29, 1, client_time_ms=1.4),
    ),
)
