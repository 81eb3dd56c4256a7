"""The planner was not free: a setting forbids a way to read or to join.

What it finds
    A plan made while a planner setting such as enable_seqscan was off, or one that had to use what is
    forbidden.

Why is this slow
    `SET enable_hashjoin = off` is a good question to ask the planner, and a bad thing to leave behind: it
    stays for the session, the role or the whole server, and makes every other statement worse. PostgreSQL
    still uses what is forbidden where it has no other way.

Example
    SET enable_seqscan = off;
    Every small table is read through an index from then on.

Use instead
    RESET enable_seqscan; and correct what the planner went by, usually an estimate: ANALYZE, extended
    statistics, random_page_cost for fast disks. Where the setting comes from:
    SELECT name, setting, source, sourcefile FROM pg_settings WHERE name = 'enable_seqscan';

Thresholds
    min_plan_ms (1): execution time in milliseconds of a plan that was measured; one that was not counts.

Stays silent when
    No such setting is off. A setting that is off by default is not shown by the server and not meant here.
    It is never more than "info": whether the free plan is faster, only that plan can tell.
"""

from collections.abc import Iterator, Mapping

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, plan
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK266", "forced-plan"
_OFF = ("off", "false", "no", "0")


def forced_plan(trace: Trace, *, min_plan_ms: float = 1.0) -> Iterator[Finding]:
    """Find plans that were made while a way to read or to join was forbidden.

    Args:
        trace: a block with plans.
        min_plan_ms: execution time in milliseconds of a plan that was measured.
    """
    for number, item in enumerate(trace.plans or ()):
        settings = _forbidding(item.settings) if item.system_name == "postgresql" else ()
        if settings and (item.duration_ms is None or item.duration_ms >= min_plan_ms):
            yield _finding(number, item, settings)


def _forbidding(settings: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(
        name for name, value in settings.items() if name.startswith("enable_") and str(value).lower() in _OFF
    )


def _finding(number: int, item: Plan, settings: tuple[str, ...]) -> Finding:
    used_all_the_same = [one for one in item.nodes() if one.attributes.get("Disabled") is True]
    about = used_all_the_same[0] if used_all_the_same else item.root
    are = "is" if len(settings) == 1 else "are"
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=f"The planner was not free: {', '.join(settings)} {are} off.",
        advice="\n".join(
            (
                "Give the planner its freedom back and explain the statement again; what made it choose "
                "badly is usually an estimate.",
                *(f"RESET {name};" for name in settings),
                "SELECT name, source, sourcefile FROM pg_settings WHERE name LIKE 'enable_%' "
                "AND source <> 'default';",
            )
        ),
        refutation=(
            "Refuted if the plan and its time stay the same with the setting on, or if it was switched off "
            "to try something out."
        ),
        confidence=0.5,
        location=item.call_site,
        offenders=(about.node_id,),
        plan=number,
        evidence=tuple(f"{one.node_type} is used all the same." for one in used_all_the_same[:3]),
    )


def _forced(root: PlanNode, **settings: object) -> Trace:
    return block(plans=(plan(root, settings=settings),), duration_ms=root.actual_total_time or 0.0)


_SCAN = node("Seq Scan", ms=30, rows=5_000, relation_name="tags")
_USED = node("Nested Loop", node("Seq Scan", ms=3, relation_name="tags", Disabled=True), ms=30)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    judges_unmeasured=True,
    check=forced_plan,
    fires_on=(
        _forced(_SCAN, enable_hashjoin="off"),
        _forced(_USED, enable_seqscan="off", enable_bitmapscan="off"),
    ),
    silent_on=(
        _forced(_SCAN),
        # Other settings forbid nothing.
        _forced(_SCAN, work_mem="64MB", random_page_cost="1.1"),
        # Switched on where it is off by default.
        _forced(_SCAN, enable_partitionwise_join="on"),
        # Too fast to matter.
        _forced(node("Index Scan", ms=0.2), enable_seqscan="off"),
    ),
)
