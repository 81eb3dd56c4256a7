"""Triggers take a good part of a statement that writes.

What it finds
    The triggers of a statement, where together they took a tenth of its time or more.

Why is this slow
    A trigger FOR EACH ROW runs its function once for each row, with statements of its own inside: 3,000 rows
    are 3,000 small statements that no plan shows. Keys that refer to other tables are checked row by row too.

Example
    UPDATE products SET price = price + 1
    with a trigger that writes one line into a table of changes for each row.

Use instead
    CREATE TRIGGER watch AFTER UPDATE ON products REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION write_all();
    with one INSERT … SELECT … FROM changed inside: a twentieth of the time in our measurement of 3,000 rows.
    Or let the trigger run for the rows that need it alone: WHEN (OLD.price IS DISTINCT FROM NEW.price).

Thresholds
    min_share (0.1): the triggers' share of the execution time; depesz starts to colour at 10 %.
    min_calls (100): calls of one trigger from which running it once for all rows is advised.
    min_checks (10,000): new rows whose foreign key is checked, from which it counts: fewer are no load, and
        the check keeps the data right.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    There are none, or they took next to no time. They check the foreign keys of a few new rows, or look for
    what refers to rows that are deleted: if the columns that refer have no index, that is another finding.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as example_trace
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node
from perfkit.model.plan_builders import plan as example_plan
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_writes import is_check, is_key, key_of, rows_written, writer_of
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK254", "trigger-time"
# One run for all rows took a twentieth of 3,000 runs for one each; some of the work may remain.
_SAVED_SHARE = 0.9


def trigger_time(
    trace: Trace, *, min_share: float = 0.1, min_calls: float = 100.0, min_checks: float = 10_000.0
) -> Iterator[Finding]:
    """Find statements whose triggers take a good part of the time.

    Args:
        trace: a block with plans.
        min_share: the triggers' share of the execution time, from 0 to 1.
        min_calls: calls of one trigger from which running it once for all rows is advised.
        min_checks: new rows whose foreign key is checked, from which it counts.
    """
    for number, plan, duration_ms in measured_plans(trace):
        triggers = [one for one in plan.triggers if not is_key(one) or _is_load(one, min_checks)]
        triggers.sort(key=lambda one: -one.time_ms)
        total_ms = sum(one.time_ms for one in triggers)
        writer = writer_of(plan, triggers[0].relation_name) if triggers else None
        is_costly = total_ms >= min_share * duration_ms and is_worth_a_line(total_ms, duration_ms)
        if writer is not None and is_costly:
            yield _finding(trace, number, plan, writer, triggers, min_calls)


def _finding(
    trace: Trace, number: int, plan: Plan, writer: PlanNode, triggers: list[TriggerTime], min_calls: float
) -> Finding:
    slowest, total_ms = triggers[0], sum(one.time_ms for one in triggers)
    saved_ms = sum(one.time_ms for one in triggers if _is_for_each_row(one, min_calls)) * _SAVED_SHARE
    saving_ms = saving_in_block(saved_ms, plan, trace) if saved_ms else None
    share = total_ms / max(total_ms, plan.duration_ms or 0.0)
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=(
            f"Triggers took {total_ms:,.1f} ms, {share:.0%} of the statement: {_shown(slowest)} ran "
            f"{counted(slowest.calls, 'time')} for {counted(rows_written(writer), 'row')}."
        ),
        advice=_advice(plan, slowest, writer, min_calls),
        refutation=(
            "Refuted if the function must see each row by itself, or its work is as long for all rows at "
            "once. A BEFORE trigger that changes the row has to stay FOR EACH ROW."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(writer.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=tuple(
            f"{_shown(one)}: {one.time_ms:,.1f} ms, {counted(one.calls, 'call')}."
            for one in triggers
            if one.time_ms
        ),
    )


def _is_load(trigger: TriggerTime, min_checks: float) -> bool:
    return is_check(trigger) and trigger.calls >= min_checks


def _is_for_each_row(trigger: TriggerTime, min_calls: float) -> bool:
    """A constraint trigger has to run for each row."""
    return trigger.constraint_name is None and trigger.calls >= min_calls


def _shown(trigger: TriggerTime) -> str:
    return f"foreign key {trigger.constraint_name}" if is_key(trigger) else f"trigger {trigger.name}"


def _advice(plan: Plan, slowest: TriggerTime, writer: PlanNode, min_calls: float) -> str:
    table = quoted(slowest.relation_name or writer.relation_name or "")
    if is_key(slowest):
        return _load_advice(plan, slowest, table)
    if not _is_for_each_row(slowest, min_calls):
        shown = slowest.name.replace("'", "''")
        return (
            "Look at what the trigger's function does, and explain its statements one by one.\n"
            f"SELECT pg_get_functiondef(tgfoid) FROM pg_trigger WHERE tgname = '{shown}';"
        )
    event = str(writer.attributes.get("Operation", "Update")).upper()
    rows = "OLD" if event == "DELETE" else "NEW"
    return (
        "Let the trigger run once for all rows, with one statement over the changed rows inside, or only "
        "for the rows that need it, by WHEN (…).\n"
        f"CREATE TRIGGER {quoted(slowest.name)} AFTER {event} ON {table}\n"
        f"    REFERENCING {rows} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION …();"
    )


def _load_advice(plan: Plan, check: TriggerTime, table: str) -> str:
    key, name = key_of(plan, check), quoted(check.constraint_name or "")
    columns = ", ".join(quoted(column) for column in key.columns) if key else "…"
    return (
        "Each row's key is looked up, which keeps the data right. For a large load it is faster to check all "
        "rows at once: take the key away before, and put it back after, in one transaction.\n"
        f"ALTER TABLE {table} DROP CONSTRAINT {name};\n-- load, then:\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({columns}) "
        f"REFERENCES {key.referenced_table if key else '…'};"
    )


def _update(*triggers: TriggerTime, own_ms: float = 6.0) -> Trace:
    scan = node("Index Scan", ms=0.3, rows=3_000, relation_name="products")
    root = node("ModifyTable", scan, ms=own_ms, rows=0, relation_name="products", Operation="Update")
    whole = own_ms + sum(one.time_ms for one in triggers)
    one = example_plan(root, triggers=triggers, execution_time_ms=whole)
    return example_trace(plans=(one,), duration_ms=whole)


_WATCH = TriggerTime("watch", 14.8, 3_000, "products")
_SEARCH = TriggerTime("RI_ConstraintTrigger_a_9", 4_000.0, 3_000, "products", "items_product")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=trigger_time,
    fires_on=(
        _update(_WATCH),
        # One run, for all rows.
        _update(TriggerTime("sum_up", 14.8, 1, "products")),
        # The keys of many rows are checked.
        _update(TriggerTime("RI_ConstraintTrigger_c_7", 56.0, 20_000, "products", "products_maker")),
    ),
    silent_on=(
        _update(),
        # Next to no time.
        _update(TriggerTime("watch", 0.5, 30, "products"), own_ms=900.0),
        # It was never called.
        _update(TriggerTime("watch", 0.0, 0, "products")),
        # It looks for what refers to the rows, which is another finding without an index, and none with one.
        _update(_SEARCH),
        # A few new rows are checked.
        _update(TriggerTime("RI_ConstraintTrigger_c_7", 56.0, 200, "products", "products_maker")),
    ),
)
