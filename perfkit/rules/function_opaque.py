"""The time goes into a function, and the plan does not show what it does there.

What it finds
    A function of the person's own in FROM, or as the whole of a SELECT, that takes most of the time.

Why is this slow
    A function in PL/pgSQL or another language is a closed box: the statements that it runs have plans of
    their own, which EXPLAIN does not show. The planner knows nothing of its result either, and expects
    1,000 rows unless told otherwise.

Example
    SELECT * FROM monthly_report(2025)
    one Function Scan, 4,000 ms, and nothing below it.

Use instead
    LOAD 'auto_explain'; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;
    SET auto_explain.log_min_duration = 0; SET client_min_messages = log;
    in the same session, and run the statement: the plans of the function's statements come as messages. A
    function that is one SELECT, written in LANGUAGE SQL and STABLE, is put into the statement and planned
    with it. Where it must stay closed, tell the planner how many rows come: ALTER FUNCTION ... ROWS 50000.

Thresholds
    min_time_share (0.5): the function's share of the execution (reference notes on EXPLAIN, rule 57).
    min_estimate_factor (10): how many times the rows were misestimated before a number is worth telling.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line: here the
    function's own time counts.

Stays silent when
    The function is PostgreSQL's own, such as generate_series, unnest or jsonb_array_elements. It takes less
    of the time, is called for each row of a table, or never ran.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK234", "function-opaque"
_CALL = re.compile(r"^\(?(?P<name>(?:\w+\.)?\w+)\(")
# Functions of PostgreSQL that return rows, or that take long on purpose.
_BUILT_IN = re.compile(
    r"(?:pg_catalog\.)?(?:generate_(?:series|subscripts)|unnest|jsonb?_\w+|regexp_\w+|string_to_table|pg_\w+"
    r"|ts_\w+|xmltable|json_table|aclexplode|count|sum|min|max|avg|coalesce|exists|array|row)",
    re.IGNORECASE,
)
_CONFIDENCE = 0.7


def function_opaque(
    trace: Trace, *, min_time_share: float = 0.5, min_estimate_factor: float = 10
) -> Iterator[Finding]:
    """Find functions that take most of the time.

    Args:
        trace: a block with plans.
        min_time_share: the function's share of the execution time, from 0 to 1.
        min_estimate_factor: how many times too few or too many rows were expected.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            own_ms, name = item.self_time_ms or 0.0, _function(item)
            if name is None or not item.executed or own_ms < min_time_share * duration_ms:
                continue
            if is_worth_a_line(own_ms, duration_ms):
                yield _finding(trace, number, plan, item, name, min_estimate_factor)


def _function(item: PlanNode) -> str | None:
    """The function of the person's own that a node calls; `None` where there is none."""
    if item.node_type == "Function Scan":
        name = item.attributes.get("Function Name")
        return (
            _own(f"{item.schema}.{quoted(str(name))}" if item.schema else quoted(str(name))) if name else None
        )
    if item.node_type not in ("Result", "ProjectSet"):
        return None
    below = next((child for child in item.children if child.parent_relationship != "InitPlan"), None)
    if below is not None and below.node_type != "Result":
        return None
    output = item.attributes.get("Output")
    calls = (_CALL.match(str(text)) for text in (output if isinstance(output, list) else ()))
    return next((name for call in calls if call and (name := _own(call["name"]))), None)


def _own(name: str) -> str | None:
    return (
        None if name.startswith("pg_catalog.") or _BUILT_IN.fullmatch(name) else name.removeprefix("public.")
    )


def _finding(
    trace: Trace, number: int, plan: Plan, item: PlanNode, name: str, min_estimate_factor: float
) -> Finding:
    own_ms = item.self_time_ms or 0.0
    lines = [
        "Look inside: in the same session this sends the plans of the function's statements as messages. A "
        "function that is one SELECT can be LANGUAGE SQL and STABLE: then it is planned with the statement.",
        "LOAD 'auto_explain';",
        "SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on;",
        "SET auto_explain.log_min_duration = 0; SET client_min_messages = log;",
    ]
    is_misestimated = (item.row_estimate_factor or 0.0) >= min_estimate_factor
    if item.node_type == "Function Scan" and is_misestimated:
        lines.append(f"ALTER FUNCTION {name} ROWS {max(1.0, item.actual_rows or 0.0):.0f};")
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(own_ms * max(1, plan.executions), trace),
        message=(
            f"The function {name}() took {own_ms:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms; the plan "
            "does not show what it did."
        ),
        advice="\n".join(lines),
        refutation=(
            "Refuted if the function only computes and sends no statement of its own: then a profiler of its "
            "language tells more than plans do. What could be saved cannot be said before."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        evidence=(f"It returned {about(item, None, 'row')}; expected: {item.plan_rows or 0.0:,.0f}.",),
    )


def _call(name: str, *, ms: float = 80, loops: int = 1, **said: str) -> PlanNode:
    return node(
        "Function Scan", ms=ms, rows=50_000, planned=1_000, loops=loops, Function_Name=name,
        schema=said.get("schema"),
    )  # fmt: skip


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=function_opaque,
    fires_on=(
        planned_trace(_call("monthly_report", schema="shop")),
        planned_trace(node("Aggregate", _call("monthly_report"), ms=85)),
        planned_trace(node("Result", ms=80, Output=["shop.close_month(12)"])),
        planned_trace(node("ProjectSet", node("Result"), ms=80, rows=1_000, Output=["many(1000)"])),
    ),
    silent_on=(
        # PostgreSQL's own.
        planned_trace(_call("generate_series", schema="pg_catalog")),
        planned_trace(_call("jsonb_array_elements")),
        planned_trace(node("Result", ms=80, Output=["pg_sleep('0.08'::double precision)"])),
        # It takes less of the time.
        planned_trace(node("Sort", _call("monthly_report"), ms=400)),
        # It is called for each row of a table, which tells more than the function.
        planned_trace(
            node("Result", node("Seq Scan", ms=2, relation_name="orders"), ms=80, Output=["f(orders.id)"])
        ),
        # It never ran.
        planned_trace(node("Append", _call("monthly_report", loops=0), ms=40)),
    ),
)
