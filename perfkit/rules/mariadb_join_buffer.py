"""MariaDB compares every row of one table with every row of another.

What it finds
    A join through a join buffer (block-nl-join) that compares many pairs of rows and keeps few, though the
    tables are joined by equality.

Why is this slow
    Without an index on the joined column, MariaDB collects rows of the first table in a buffer, reads the
    second table, and compares each row with each. A thousand times a thousand rows are a million
    comparisons; with ten times the rows on both sides they are a hundred million.

Example
    SELECT * FROM customers JOIN tags ON tags.label = customers.city
    2,000 × 5,000 pairs are compared in 1,571 ms, 100,000 are kept.

Use instead
    ALTER TABLE `customers` ADD INDEX (`city`);
    on the table that is read second. If one cannot be created,
    SET SESSION join_cache_level = 4;
    lets MariaDB hash the buffer: 10 ms in the example.

Thresholds
    min_removed_pairs (100,000): pairs that were compared and thrown away.
    min_removed_share (0.9): their share of all pairs, from 0 to 1 (ten times the output; reference notes,
        rule 35).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The buffer is hashed (BNLH). Most pairs are kept. The tables are joined by a range or a function, which
    no index on a plain column answers. The join takes too little of the time.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_dialects import condition_arms, name_in
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK296", "mariadb-join-buffer"
_SYSTEMS = ("mariadb", "mysql")


def mariadb_join_buffer(
    trace: Trace, *, min_removed_pairs: float = 100_000, min_removed_share: float = 0.9
) -> Iterator[Finding]:
    """Find joins by equality that compare every pair of rows.

    Args:
        trace: a block with plans.
        min_removed_pairs: pairs that were compared and thrown away.
        min_removed_share: their share of all pairs, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace, system_names=_SYSTEMS):
        for join in plan.nodes():
            removed, kept = join.total_rows_removed or 0.0, join.total_rows or 0.0
            if join.attributes.get("join_type") != "BNL" or removed < max(1.0, min_removed_pairs):
                continue
            column = _equal_column(join)
            if removed < min_removed_share * (removed + kept) or column is None:
                continue
            if is_worth_a_line(_saving_ms(join), duration_ms):
                yield _finding(trace, number, plan, join, column)


def _equal_column(join: PlanNode) -> str | None:
    """The column of the second table that is compared for equality with the first."""
    inner = _inner(join)
    if inner is None:
        return None
    arms = condition_arms(inner, str(join.attributes.get("attached_condition", "")), "mysql")
    names = (arm.column for arm in arms if arm.kind == "equality" and arm.column)
    return next((name.strip('"') for name in names), None)


def _inner(join: PlanNode) -> PlanNode | None:
    return next((child for child in join.children if child.relation_name), None)


def _saving_ms(join: PlanNode) -> float:
    removed, kept = join.total_rows_removed or 0.0, join.total_rows or 0.0
    return (join.self_time_ms or 0.0) * removed / max(1.0, removed + kept)


def _finding(trace: Trace, number: int, plan: Plan, join: PlanNode, column: str) -> Finding:
    removed, kept, inner = join.total_rows_removed or 0.0, join.total_rows or 0.0, _inner(join)
    saving_ms = saving_in_block(_saving_ms(join), plan, trace)
    table = table_name(inner) if inner is not None else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{table}: {about(join, removed + kept)} pairs of rows are compared to keep {about(join)}.",
        advice=(
            "An index on the joined column would lead straight to the rows that match. It is suggested, not "
            "proved; MariaDB commits the open transaction when it creates one.\n"
            f"ALTER TABLE {name_in(table, 'mysql')} ADD INDEX ({name_in(column, 'mysql')});"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if the two columns differ in "
            "type or collation: then make them alike."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(join.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"attached_condition: {join.attributes.get('attached_condition')}",
            own_time_words("join", join, plan),
        ),
    )


def _joined(own_ms: float = 159, **said: Any) -> Trace:
    """A join through a buffer, as MariaDB describes it."""
    table: dict[str, Any] = {"access_type": "ALL", "r_loops": 1, "r_table_time_ms": 0.3}
    join = {
        "join_type": "BNL", "r_loops": 2_000, "r_effective_rows": 5_000, "r_filtered": 1,
        "attached_condition": "customers.city = tags.label", "r_unpack_time_ms": own_ms / 2,
        "r_other_time_ms": own_ms / 2, "table": table | {"table_name": "customers", "r_rows": 5_000}, **said,
    }  # fmt: skip
    loops = [{"table": table | {"table_name": "tags", "r_rows": 2_000}}, {"block-nl-join": join}]
    data = {"query_block": {"r_loops": 1, "r_total_time_ms": own_ms + 1, "nested_loop": loops}}
    return block(plans=(read_mariadb_plan(data),), duration_ms=own_ms + 1)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=_SYSTEMS,
    check=mariadb_join_buffer,
    fires_on=(
        _joined(),
        _joined(attached_condition="tags.`label` = customers.`city` and customers.`id` > tags.`id`"),
    ),
    silent_on=(
        # The buffer is hashed.
        _joined(join_type="BNLH"),
        # Few pairs.
        _joined(r_loops=10),
        # Most pairs are wanted.
        _joined(r_filtered=60),
        # No index on a plain column answers it.
        _joined(attached_condition="customers.city < tags.label"),
        _joined(attached_condition="customers.city + 0 = tags.label"),
        # Soon done.
        _joined(own_ms=0.8),
    ),
)
