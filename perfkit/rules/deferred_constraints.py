"""Foreign keys are checked when the transaction ends, so the plan does not show what that takes.

What it finds
    A statement that wrote many rows of a table with a foreign key that is DEFERRABLE INITIALLY DEFERRED,
    where the check appears nowhere in the plan.

Why is this slow
    The check of each row waits for COMMIT. The statement looks fast and the COMMIT is slow, or the plan is
    taken in a transaction that is rolled back, and the check never happens at all.

Example
    INSERT INTO orders SELECT … with a deferred key to users: 30 ms in the plan. Checked at once it takes
    57 ms more for 20,000 rows.

Use instead
    SET CONSTRAINTS ALL IMMEDIATE;
    in the transaction, before the statement is explained: then the checks are among the triggers.

Thresholds
    min_rows (1,000): rows written, from which the checks take milliseconds: 0.003 ms a row, measured, where
        the key is found by an index.

Stays silent when
    The check is among the triggers. The key is checked at once. The statement changes rows, so that nobody
    knows whether it changes the key. Few rows were written. Nothing is known of the keys.
"""

from collections.abc import Iterator

from perfkit.model.builders import trace as example_trace
from perfkit.model.catalog import ForeignKey
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node
from perfkit.model.plan_builders import plan as example_plan
from perfkit.model.plan_savings import is_worth_a_line, measured_plans
from perfkit.model.plan_writes import bare_name, rows_written
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK255", "deferred-constraints"
_CHECK_MS = 0.003


def deferred_constraints(trace: Trace, *, min_rows: float = 1000.0) -> Iterator[Finding]:
    """Find writes whose foreign keys are checked later.

    Args:
        trace: a block with plans.
        min_rows: rows written.
    """
    for number, plan, duration_ms in measured_plans(trace):
        checked = {trigger.constraint_name for trigger in plan.triggers}
        for writer in plan.nodes():
            rows = rows_written(writer) if writer.node_type == "ModifyTable" and writer.executed else 0.0
            if rows < max(1.0, min_rows) or not is_worth_a_line(rows * _CHECK_MS, duration_ms):
                continue
            for key in plan.foreign_keys:
                if key.is_deferred and key.name not in checked and _is_checked(key, writer):
                    yield _finding(number, plan, writer, key, rows)


def _is_checked(key: ForeignKey, writer: PlanNode) -> bool:
    """New rows are looked up in the table they refer to, deleted ones in the table that refers to them."""
    operation = writer.attributes.get("Operation")
    if operation == "Insert":
        return bare_name(key.table) == writer.relation_name
    return operation == "Delete" and bare_name(key.referenced_table) == writer.relation_name


def _finding(number: int, plan: Plan, writer: PlanNode, key: ForeignKey, rows: float) -> Finding:
    searches = writer.attributes.get("Operation") == "Delete" and not key.is_indexed
    return Finding(
        code=CODE,
        rule=NAME,
        severity="worth it" if searches else "info",
        message=(
            f"The plan leaves out the check of {key.name} for {rows:,.0f} rows: it happens when the "
            "transaction ends."
        ),
        advice=_advice(key, searches=searches),
        refutation=(
            "Refuted if the plan, taken again with the constraints checked at once, shows next to no time "
            "for the key among the triggers."
        ),
        confidence=0.9,
        location=plan.call_site,
        offenders=(writer.node_id,),
        plan=number,
        saving_ms=None,
        evidence=(
            f"Foreign key {key.name} of {key.table} to {key.referenced_table} is INITIALLY DEFERRED, and no "
            "trigger of that name is in the plan.",
        ),
    )


def _advice(key: ForeignKey, *, searches: bool) -> str:
    lines = ["Explain the statement again in a transaction that checks the keys at once."]
    statements = ["BEGIN;", "SET CONSTRAINTS ALL IMMEDIATE;"]
    if searches:
        columns = ", ".join(quoted(column) for column in key.columns)
        lines.append("The columns that refer have no index, so each deleted row searches the whole table.")
        statements.insert(0, f"CREATE INDEX ON {key.table} ({columns});")
    return "\n".join([" ".join(lines), *statements])


def _write(
    operation: str, *triggers: TriggerTime, rows: float = 20_000, deferred: bool = True, table: str = "orders"
) -> Trace:
    source = node("Seq Scan", ms=2, rows=rows, relation_name="arrivals")
    root = node("ModifyTable", source, ms=30, rows=0, relation_name=table, Operation=operation)
    key = ForeignKey("orders_user", "shop.orders", ("user_id",), "shop.users", False, deferred)
    return example_trace(
        plans=(example_plan(root, foreign_keys=(key,), triggers=triggers),), duration_ms=30.0
    )


_CHECKED = TriggerTime("RI_ConstraintTrigger_c_1", 56.0, 20_000, "orders", "orders_user")
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=deferred_constraints,
    fires_on=(
        _write("Insert"),
        # Each deleted user will search the orders.
        _write("Delete", table="users"),
    ),
    silent_on=(
        # The check is in the plan.
        _write("Insert", _CHECKED),
        # Checked at once, and not in a plan that was pasted.
        _write("Insert", deferred=False),
        # Nobody knows whether the key changes.
        _write("Update"),
        # Deleting an order asks nobody.
        _write("Delete"),
        _write("Insert", rows=20),
    ),
)
