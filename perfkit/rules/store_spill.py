"""Rows that a statement keeps for itself went through the disk.

What it finds
    A CTE, a materialized sub-query, a window or a function whose rows were kept in a store that did not fit
    into memory.

Why is this slow
    Every row is written to a temporary file and read again, with all its columns, before the next node sees
    it. A CTE that is kept also hides the conditions outside from the tables inside: no index is used for
    them, and no worker helps.

Example
    WITH recent AS MATERIALIZED (SELECT * FROM events) SELECT count(*) FROM recent WHERE id > 10

Use instead
    WITH recent AS NOT MATERIALIZED (SELECT * FROM events) SELECT count(*) FROM recent WHERE id > 10
    or a sub-query in FROM. Where the rows are read twice, keep only the columns that are needed.

Thresholds
    min_blocks (1,000): blocks of 8 kB written to temporary files (reference notes on EXPLAIN, rule 30).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The store fits into memory, or never filled. The node takes too little of the time. It is a sort, a hash
    or a hash aggregate that went through the disk: these have findings of their own.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_memory import temporary_file_ms
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, own_time_words, saving_in_block
from perfkit.model.plan_scans import over_processes
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK242", "store-spill"
_BLOCK_KB = 8
# Without the store the rows flow on: all of what these take for themselves goes.
_SHARED = 2
_ONLY_STORING = frozenset({"CTE Scan", "Materialize"})
_REMEDIES = {
    "Materialize": "The rows are kept because the other side of the join needs them again and again: select "
    "fewer columns of them, or give the join an equality and an index, so that it need not keep them.",
    "WindowAgg": "A window keeps the rows of a whole partition: partition by more, and select only the "
    "columns that are needed and join the others afterwards.\n"
    "SELECT … FROM (SELECT id, sum(amount) OVER (PARTITION BY user_id ORDER BY id) AS total FROM …) w "
    "JOIN … USING (id)",
    "Function Scan": "A function in FROM returns all its rows before the first is used. Called in the list "
    "of SELECT, a set that PostgreSQL makes itself flows row by row.\n"
    "SELECT … FROM (SELECT generate_series(1, 1000000) AS n) s",
    "Table Function Scan": "The whole document is taken apart before its first row is used: take out the "
    "part that is needed first, and name only the columns that are needed.",
    "Recursive Union": "Each step of the recursion is kept: carry only keys through it, and join the "
    "other columns at the end.",
}


def store_spill(trace: Trace, *, min_blocks: int = 1000) -> Iterator[Finding]:
    """Find stores of rows that went through the disk.

    Args:
        trace: a block with plans.
        min_blocks: blocks of 8 kB that were written to temporary files.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            is_store = item.executed and (item.node_type == "CTE Scan" or item.node_type in _REMEDIES)
            if not is_store or _written_blocks(item) < max(1, min_blocks):
                continue
            is_first = _readers(plan, item)[:1] in ([], [item])
            if is_first and is_worth_a_line(item.self_time_ms or 0.0, duration_ms):
                yield _finding(trace, number, plan, item)


def _written_blocks(item: PlanNode) -> float:
    """From PostgreSQL 18 a node says how large its store is; before, what it wrote tells."""
    if "Storage" in item.attributes:
        said_kb = over_processes(item, "Maximum Storage") if item.attributes["Storage"] == "Disk" else 0.0
        return said_kb / _BLOCK_KB
    return item.self_buffers.temp_written


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode) -> Finding:
    is_needless = item.node_type in _ONLY_STORING and len(_readers(plan, item)) < _SHARED
    own_ms = item.self_time_ms if is_needless else temporary_file_ms(item)
    saving_ms = None if own_ms is None else saving_in_block(own_ms, plan, trace)
    size_mb = _written_blocks(item) * _BLOCK_KB * 1024 / 1e6
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=f"{_shown(item)}: {about(item)} rows went through {size_mb:,.1f} MB on disk.",
        advice=_advice(plan, item),
        refutation=(
            "Refuted if the statement is as slow without the store, or if the rows must be kept: a sub-query "
            "that writes, or calls a volatile function, has to run exactly once."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(own_time_words("node", item, plan),),
    )


def _readers(plan: Plan, item: PlanNode) -> list[PlanNode]:
    """The scans of the same CTE, the slowest first; none where the node is no such scan."""
    name = item.attributes.get("CTE Name")
    scans = [scan for scan in plan.nodes() if scan.node_type == item.node_type == "CTE Scan"]
    same = [scan for scan in scans if scan.attributes.get("CTE Name") == name]
    return sorted(same, key=lambda scan: -(scan.self_time_ms or 0.0))


def _shown(item: PlanNode) -> str:
    return f"CTE {item.attributes.get('CTE Name', '')}" if item.node_type == "CTE Scan" else item.node_type


def _advice(plan: Plan, item: PlanNode) -> str:
    if item.node_type != "CTE Scan":
        return _REMEDIES[item.node_type]
    name = item.attributes.get("CTE Name")
    readers = _readers(plan, item)
    if len(readers) >= _SHARED:
        return (
            f"The CTE is read {len(readers)} times, so its rows are kept: name only the columns that are "
            "needed instead of *, and put conditions that all readers share into it. If it is cheap to "
            "repeat, let it run for each reader.\n"
            f"WITH {quoted(str(name))} AS NOT MATERIALIZED (SELECT … WHERE …)"
        )
    return (
        "The CTE is read once, so its rows need not be kept: let the planner see through it, as in a "
        f"sub-query.\nWITH {quoted(str(name))} AS NOT MATERIALIZED (SELECT …)"
    )


_SPILLED: dict[str, Any] = {"Storage": "Disk", "Maximum_Storage": 13_880}
_EVENTS = node("Seq Scan", ms=28, rows=180_000, relation_name="events")


def _cte(*, ms: float = 380, **said: Any) -> PlanNode:
    producer = node(
        "Seq Scan", ms=280, rows=180_000, relation_name="events", parent_relationship="InitPlan",
        subplan_name="CTE recent",
    )  # fmt: skip
    scan = node("CTE Scan", ms=ms, rows=180_000, CTE_Name="recent", parent_relationship="Outer", **said)
    return node("Aggregate", producer, scan, ms=ms + 20)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=store_spill,
    yields_to=("cte-fence",),
    fires_on=(
        planned_trace(_cte(**_SPILLED), name="a CTE that is read once"),
        planned_trace(_cte(temp_written_blocks=1_735), name="before PostgreSQL 18, which says it"),
        planned_trace(node("WindowAgg", _EVENTS, ms=160, rows=180_000, **_SPILLED), name="a window"),
    ),
    silent_on=(
        planned_trace(_cte(Storage="Memory", Maximum_Storage=3_000), name="it fits into memory"),
        planned_trace(_cte(Storage="Disk", Maximum_Storage=5_000), name="a few megabytes"),
        planned_trace(_cte(ms=280.5, **_SPILLED), name="the store takes next to none of the time"),
        planned_trace(
            node("Sort", _EVENTS, ms=160, rows=180_000, temp_written_blocks=1_735),
            name="a sort, which has a finding of its own",
        ),
    ),
)
