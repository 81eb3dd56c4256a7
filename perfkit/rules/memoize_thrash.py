"""A cache of look-ups that seldom holds what is asked for.

What it finds
    A Memoize node, in which a nested loop keeps the inner side's rows by key, that answered less than half of
    the look-ups, or threw away what was then asked for again.

Why is this slow
    The planner puts a cache between because it expects few different keys. Where each key comes once or
    twice, every look-up pays for the cache and runs the inner side all the same; and the nested loop itself
    was chosen because of the hits that did not come: a hash join would have read the table once.

Example
    SELECT … FROM visits JOIN users ON users.id = visits.user_id
    100 different users are expected in 60,000 visits, and 30,000 come.

Use instead
    ALTER TABLE visits ALTER COLUMN user_id SET STATISTICS 1000; ANALYZE visits;
    so that the planner knows how many different values there are. Where it still errs, tell it:
    ALTER TABLE visits ALTER COLUMN user_id SET (n_distinct = -0.5); ANALYZE visits; (half as many as rows)
    Where that was done and is no longer true: RESET (n_distinct).

Thresholds
    min_lookups (10,000): look-ups, over all processes.
    max_hit_share (0.5): share of the look-ups that the cache answered, below which it is of little use
        (reference notes on EXPLAIN, rule 38).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Most look-ups are answered and nothing is thrown away. There were few look-ups. The cache and what it
    could not answer take too little of the time. It never ran.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_estimates import loop_saving_ms
from perfkit.model.plan_joins import join_sides
from perfkit.model.plan_memory import memory_advice, work_mem_kb
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_scans import over_processes
from perfkit.model.sql_names import unquoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK247", "memoize-thrash"


def memoize_thrash(
    trace: Trace, *, min_lookups: int = 10_000, max_hit_share: float = 0.5
) -> Iterator[Finding]:
    """Find caches of look-ups that seldom hold what is asked for.

    Args:
        trace: a block with plans.
        min_lookups: look-ups, over all processes.
        max_hit_share: share of them that the cache answered, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for cache in plan.nodes():
            if cache.node_type != "Memoize" or not cache.executed:
                continue
            hits, misses = over_processes(cache, "Cache Hits"), over_processes(cache, "Cache Misses")
            evicted = over_processes(cache, "Cache Evictions")
            is_useless = hits < max_hit_share * (hits + misses)
            if hits + misses < max(1, min_lookups) or not (is_useless or evicted):
                continue
            saving_ms = _saving_ms(plan, cache, is_useless, evicted / max(1.0, misses))
            if is_worth_a_line(saving_ms, duration_ms):
                yield _finding(trace, number, plan, cache, is_useless, saving_ms)


def _saving_ms(plan: Plan, cache: PlanNode, is_useless: bool, evicted_share: float) -> float:
    """What a hash join would save, at least the cache itself; or looking up again what was thrown away."""
    own_ms = cache.self_time_ms or 0.0
    if not is_useless:
        return ((cache.total_time_ms or 0.0) - own_ms) * min(1.0, evicted_share)
    loop = plan.parents.get(cache.node_id)
    return max(own_ms, (loop_saving_ms(plan, loop) or 0.0) if loop is not None else 0.0)


def _finding(
    trace: Trace, number: int, plan: Plan, cache: PlanNode, is_useless: bool, saving_ms: float
) -> Finding:
    saving_ms = saving_in_block(saving_ms, plan, trace)
    hits, misses = over_processes(cache, "Cache Hits"), over_processes(cache, "Cache Misses")
    evicted = over_processes(cache, "Cache Evictions")
    thrown = f", and threw away {counted(evicted, 'entry', 'entries')} for want of memory" if evicted else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"A cache of look-ups answered {hits:,.0f} of {hits + misses:,.0f}{thrown}.",
        advice=_statistics_advice(plan, cache) if is_useless else _memory_advice(plan),
        refutation=(
            "Refuted if the planner keeps the cache once it knows how many different keys there are, or if "
            "the statement is as slow without it."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(cache.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Cache Key: {cache.attributes.get('Cache Key')}",
            f"The cache itself took {cache.self_time_ms or 0.0:,.1f} ms, what it could not answer "
            f"{(cache.total_time_ms or 0.0) - (cache.self_time_ms or 0.0):,.1f} ms.",
        ),
    )


def _statistics_advice(plan: Plan, cache: PlanNode) -> str:
    words = (
        "The planner expects fewer different keys than there are: refresh the statistics of the key column"
    )
    owner, column = _key_column(plan, cache)
    if owner is None:
        return (
            f"{words}s.\nANALYZE;\n-- if that does not help, in the transaction of this statement alone:\n"
            "SET LOCAL enable_memoize = off;"
        )
    table = relation(owner)
    return "\n".join(
        [
            f"{words}, from a larger sample, and take back a number that was set by hand.",
            f"ALTER TABLE {table} ALTER COLUMN {column} RESET (n_distinct);",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 1000;",
            f"ANALYZE {table};",
        ]
    )


def _key_column(plan: Plan, cache: PlanNode) -> tuple[PlanNode | None, str]:
    """The scan on the outer side, and its column, that the one key of the cache is."""
    loop = plan.parents.get(cache.node_id)
    sides = join_sides(loop) if loop is not None else None
    alias, _, column = str(cache.attributes.get("Cache Key", "")).rpartition(".")
    scans = sides[0].walk() if sides and alias else ()
    owner = next((scan for scan in scans if scan.relation_name and scan.alias == unquoted(alias)), None)
    return (owner, column) if unquoted(column).isidentifier() else (None, "")


def _memory_advice(plan: Plan) -> str:
    _, *statements = memory_advice(2 * work_mem_kb(plan))
    return "\n".join(
        [
            "The cache is too small for the keys that come again. Order the outer rows by the key, so that "
            "equal ones follow each other, or try more memory for this transaction.",
            *statements,
        ]
    )


def _loop(
    hits: int, misses: int, *, evicted: int = 0, ms: float = 245, key: str = "visits.user_id"
) -> PlanNode:
    probe = node("Index Scan", ms=0.003, rows=1, loops=misses, relation_name="users")
    cache = node(
        "Memoize", probe, ms=(0.003 * misses + 30) / (hits + misses), rows=1, loops=hits + misses,
        Cache_Key=key, Cache_Hits=hits, Cache_Misses=misses, Cache_Evictions=evicted,
    )  # fmt: skip
    visits = node("Seq Scan", ms=8, rows=hits + misses, relation_name="visits")
    return node("Nested Loop", visits, cache, ms=ms, rows=hits + misses)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=memoize_thrash,
    fires_on=(
        planned_trace(_loop(20_000, 40_000), name="a third of the look-ups was answered"),
        planned_trace(_loop(40_000, 20_000, evicted=18_000), name="thrown away and asked for again"),
        planned_trace(_loop(0, 60_000, key="lower(visits.name)"), name="the key is an expression"),
    ),
    silent_on=(
        planned_trace(_loop(55_000, 5_000), name="most look-ups are answered"),
        planned_trace(_loop(1_000, 5_000), name="few look-ups"),
        planned_trace(_loop(59_000, 1_000, evicted=10), name="a few were thrown away"),
        planned_trace(_loop(20_000, 40_000, ms=9_000), name="the time goes elsewhere"),
    ),
)
