"""Deleting a row searches a whole table for rows that refer to it.

What it finds
    The trigger of a foreign key that took time, where no index begins with the columns that refer.

Why is this slow
    For each row deleted from a table, or whose key changes, the database looks for rows of the other table
    that refer to it. PostgreSQL makes an index for the key that is referred to, never for the columns that
    refer: without one, each look reads the whole table. The plan shows nothing of it but a trigger's time.

Example
    DELETE FROM users WHERE id <= 40
    orders.user_id refers to users and has no index: 40 times 100,000 orders are read, 175 ms for 40 rows.

Use instead
    CREATE INDEX ON orders (user_id);
    2 ms for the same rows. The index never appears in the plan of the DELETE: the trigger's time tells.

Thresholds
    min_search_ms (1): milliseconds for each row from which it counts where the catalogue was not asked, as in
        a plan that was pasted (reference notes on EXPLAIN, rule 50). With the catalogue, any time counts.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    An index begins with the columns. The check is that of a row that was inserted: it looks into the table
    that is referred to, whose key has an index. The trigger is one that somebody wrote. It took no time.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as example_trace
from perfkit.model.catalog import ForeignKey
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node
from perfkit.model.plan_builders import plan as example_plan
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_writes import CHECK_MS, MIN_SEARCH_MS, key_of, searches_without_index, writer_of
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK253", "fk-index-missing"


def fk_index_missing(trace: Trace, *, min_search_ms: float = MIN_SEARCH_MS) -> Iterator[Finding]:
    """Find foreign keys whose columns have no index, where that took time.

    Args:
        trace: a block with plans.
        min_search_ms: milliseconds for each row, where the catalogue was not asked.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for trigger in plan.triggers:
            writer = writer_of(plan, trigger.relation_name)
            is_missing = searches_without_index(plan, trigger, min_search_ms)
            if writer is not None and is_missing and is_worth_a_line(_saving_ms(trigger), duration_ms):
                yield _finding(trace, number, plan, writer, trigger)


def _saving_ms(trigger: TriggerTime) -> float:
    return trigger.time_ms - trigger.calls * CHECK_MS


def _finding(trace: Trace, number: int, plan: Plan, writer: PlanNode, trigger: TriggerTime) -> Finding:
    key, saving_ms = key_of(plan, trigger), saving_in_block(_saving_ms(trigger), plan, trace)
    table = key.table if key else f"the table that {trigger.constraint_name} belongs to"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table} is searched without an index for each of {counted(trigger.calls, 'row')} of "
            f"{trigger.relation_name or writer.relation_name}: {trigger.time_ms:,.1f} ms."
        ),
        advice=_advice(key, trigger),
        refutation=(
            "Refuted if the trigger takes as long with the index in place: then it is what a cascade does "
            "with the rows found that takes the time."
        ),
        confidence=0.95 if key else 0.7,
        location=plan.call_site,
        offenders=(writer.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Foreign key {trigger.constraint_name}: {trigger.time_ms:,.1f} of "
            f"{plan.duration_ms or 0.0:,.1f} ms, {trigger.time_ms / max(1.0, trigger.calls):,.2f} ms a row.",
        ),
    )


def _advice(key: ForeignKey | None, trigger: TriggerTime) -> str:
    if key is not None:
        columns = ", ".join(quoted(column) for column in key.columns)
        return (
            "An index on the columns that refer leads straight to the rows. It will not appear in the plan: "
            f"look at the trigger's time.\nCREATE INDEX ON {key.table} ({columns});"
        )
    name = (trigger.constraint_name or "").replace("'", "''")
    return (
        "Look whether an index begins with the columns that refer, and create it if not.\n"
        "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint "
        f"WHERE conname = '{name}';"
    )


def _key(*, is_indexed: bool = False) -> ForeignKey:
    return ForeignKey("orders_user", "orders", ("user_id",), "users", is_indexed)


def _delete(time_ms: float, *keys: ForeignKey, kind: str = "a", calls: float = 40) -> Trace:
    trigger = TriggerTime(f"RI_ConstraintTrigger_{kind}_17192", time_ms, calls, "users", "orders_user")
    scan = node("Index Scan", ms=0.1, rows=calls, relation_name="users")
    root = node("ModifyTable", scan, ms=0.2, rows=0, relation_name="users", Operation="Delete")
    one = example_plan(root, triggers=(trigger,), execution_time_ms=time_ms + 0.3, foreign_keys=keys)
    return example_trace(plans=(one,), duration_ms=time_ms + 0.3)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=fk_index_missing,
    fires_on=(
        _delete(175, _key()),
        # A plan that was pasted: only the time tells.
        _delete(175),
    ),
    silent_on=(
        _delete(9, _key(is_indexed=True)),
        # Fast enough for an index, in a plan that was pasted.
        _delete(9),
        # The check of inserted rows, by the key that they refer to.
        _delete(175, _key(), kind="c", calls=20_000),
        # One row, and a small table.
        _delete(0.3, _key(), calls=1),
    ),
)
