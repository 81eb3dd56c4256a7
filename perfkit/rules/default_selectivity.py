"""The planner has no statistics for a condition, and takes a fixed share of the rows.

What it finds
    A node whose expected rows are exactly what PostgreSQL assumes when it knows nothing, and ten times too
    many or too few.

Why is this slow
    Statistics are kept for columns. For lower(email) = … the planner takes one row in 200, for an inequality
    with a value that is computed while the statement runs a third, for the values of a function's rows 200
    different ones, and for date_trunc('month', created_at) as many as created_at has; whatever the data is.
    Joins, and the memory of groups, are chosen by that number.

Example
    SELECT * FROM users WHERE lower(email) = 'ann@example.org'
    500 of 100,000 users are expected where one comes.

Use instead
    CREATE STATISTICS users_lower ON lower(email) FROM users; ANALYZE users; (PostgreSQL 14; an index on the
    expression and ANALYZE do the same, and find the rows faster.) Where the value is a sub-query's, fetch it
    first and bind it. Where a function's rows are grouped or joined, put them into a temporary table and
    analyse that.

Thresholds
    min_factor (10): how many times too few or too many rows were expected; pgMustard, pev2 and depesz mark
        ten. The shares are PostgreSQL's own constants, met within 2 % (rounding, and the table's size).

Stays silent when
    The estimate is right by luck. It is not exactly the assumed share: then there are statistics, as for an
    index on the expression. A condition on a plain column, which has statistics, takes part in it. The node
    never ran, was stopped early, or takes too little time.
"""

from collections.abc import Iterator
from dataclasses import replace

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node, planned_trace
from perfkit.model.plan_estimates import (
    estimate_evidence,
    estimate_saving_ms,
    estimate_severity,
    estimate_words,
    wrong_estimates,
)
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import measured_plans, saving_in_block
from perfkit.model.plan_selectivity import (
    Guess,
    group_expression,
    guessed_filter,
    guessed_groups,
    guessed_join,
    guessed_result,
)
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK250", "default-selectivity"
_TEMPORARY_TABLE = "CREATE TEMPORARY TABLE found AS SELECT …;\nANALYZE found;"
_RESULT_ADVICE = (
    "The rows come from a function or a sub-query, of whose values the planner knows nothing: put them into "
    f"a temporary table first, and analyse it.\n{_TEMPORARY_TABLE}"
)
_ONE_TENTH = 0.1


def default_selectivity(trace: Trace, *, min_factor: float = 10.0) -> Iterator[Finding]:
    """Find wrong estimates that are PostgreSQL's assumptions for what it knows nothing of.

    Args:
        trace: a block with plans.
        min_factor: how many times too few or too many rows were expected.
    """
    for number, plan, _ in measured_plans(trace):
        for item in wrong_estimates(plan, min_factor=min_factor):
            advice = _advice(plan, item)
            if advice is not None:
                yield _finding(trace, number, plan, item, *advice)


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, share: str, advice: str) -> Finding:
    saving_ms = estimate_saving_ms(plan, item)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=estimate_severity(plan, item),
        message=f"{estimate_words(item)[:-1]}: it assumed {share}.",
        advice=advice,
        refutation=(
            "Refuted if the estimate stays wrong with these statistics, or the plan stays the same with a "
            "right estimate. What it would save is sure only when the planner has chosen again."
        ),
        confidence=0.85,
        location=plan.call_site,
        offenders=(item.node_id,),
        plan=number,
        saving_ms=None if saving_ms is None else saving_in_block(saving_ms, plan, trace),
        evidence=estimate_evidence(plan, item),
    )


def _advice(plan: Plan, item: PlanNode) -> tuple[str, str] | None:
    """What the planner assumed, and what to do; `None` where it assumed nothing."""
    if guessed_groups(item):
        return "200 groups, as it does for values that nobody counted", _RESULT_ADVICE
    if guessed_join(item):
        return "a third of all pairs for each inequality", (
            "No statistics tell how many rows of two tables an inequality pairs. Where what follows suffers "
            f"from it, put the pairs into a temporary table first, and analyse it.\n{_TEMPORARY_TABLE}"
        )
    grouped = group_expression(plan, item)
    if grouped is not None:
        return "as many groups as the columns of the expression have values", _expression_advice(
            grouped[0], [grouped[1]]
        )
    if (guess := guessed_result(plan, item)) is not None:
        return f"{_shown(guess)} of what the sub-query returns", _RESULT_ADVICE
    if (guess := guessed_filter(plan, item)) is not None:
        return f"{_shown(guess)} of the rows, as it does without statistics", _filter_advice(
            item, guess.predicates
        )
    return None


def _shown(guess: Guess) -> str:
    return f"{guess.share:.3%}" if guess.share < _ONE_TENTH else f"{guess.share:.0%}"


def _filter_advice(scan: PlanNode, found: tuple[Predicate, ...]) -> str:
    keys = [item.index_key for item in found if item.kind != "plain" and item.is_fixed]
    if not keys:
        columns = " and ".join(dict.fromkeys(column for item in found for column in item.columns))
        return (
            f"{columns} is compared with a value that is computed only while the statement runs: fetch it "
            "first, and bind it as a parameter.\n"
            "value = session.scalar(select(…))\n"
            "rows = session.scalars(select(…).where(column > value))"
        )
    return _expression_advice(scan, keys)


def _expression_advice(scan: PlanNode, keys: list[str]) -> str:
    table = relation(scan)
    statements = [
        f"CREATE STATISTICS {quoted(f'{scan.relation_name}_expression_{place}')} ON {key} FROM {table};"
        for place, key in enumerate(dict.fromkeys(keys), 1)
    ]
    return "\n".join(
        [
            "Let the planner count the values of the expression. An index on it does the same, once the "
            "table is analysed.",
            *statements,
            f"ANALYZE {table};",
        ]
    )


_USERS = example_table("users", rows=1_000_000.0)


def _scan(
    condition: str, *, rows: float = 100_000, planned: float = 5_000, whole: float = 1_000_000, ms: float = 55
) -> PlanNode:
    return node(
        "Seq Scan", ms=ms, rows=rows, planned=planned, relation_name="users", Filter=condition,
        rows_removed_by_filter=whole - rows,
    )  # fmt: skip


_LOWER = "(lower(users.city) = 'ulm'::text)"
_PAIRS = node(
    "Nested Loop", node("Seq Scan", ms=1, rows=3_000, relation_name="a"),
    node("Materialize", node("Seq Scan", ms=1, rows=300, relation_name="b"), ms=0.01, rows=300, loops=3_000),
    ms=90, rows=3_000, planned=300_000, Join_Filter="(a.day > b.day)",
)  # fmt: skip
_GROUPS = node(
    "Aggregate", node("Function Scan", ms=20, rows=50_000, alias="item"), ms=40, rows=50_000, planned=200,
    Group_Key=["item.code"],
)  # fmt: skip
_MONTHS = node(
    "Aggregate", node("Seq Scan", ms=30, rows=150_000, relation_name="users"), ms=70, rows=11,
    planned=150_000, Group_Key=["(date_trunc('month'::text, users.since))"],
)  # fmt: skip
_FEW_OF_CTE = node(
    "Hash Join",
    node("Aggregate", ms=60, rows=18_822, parent_relationship="InitPlan", subplan_name="CTE sums"),
    node(
        "CTE Scan", ms=65, rows=99, planned=6_274, alias="a", parent_relationship="Outer", CTE_Name="sums",
        Filter="(a.user_id < 100)",
    ),
    node("Hash", node("Seq Scan", ms=1), ms=2, parent_relationship="Inner"),
    ms=70, rows=99,
)  # fmt: skip
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=default_selectivity,
    yields_to=("function-on-column", "cast-on-column", "parameter-type-cast", "json-predicate"),
    fires_on=(
        planned_trace(_scan(_LOWER), name="one in 200, as the scan itself shows"),
        planned_trace(_scan(_LOWER), tables=(_USERS,), name="one in 200, as the catalogue shows"),
        planned_trace(
            _scan("(users.seen > (InitPlan 1).col1)", rows=20, planned=333_333), name="a computed value"
        ),
        planned_trace(_GROUPS, name="200 groups"),
        planned_trace(node("Sort", _PAIRS, ms=95, rows=3_000), name="a third of all pairs"),
        planned_trace(_MONTHS, name="groups by an expression"),
        planned_trace(_FEW_OF_CTE, name="a third of a CTE"),
    ),
    silent_on=(
        planned_trace(_scan(_LOWER, rows=6_000), name="nearly right"),
        planned_trace(_scan(_LOWER, planned=1_200), name="there are statistics on the expression"),
        planned_trace(_scan("(users.city = 'Ulm'::text)"), name="a column, which has statistics"),
        planned_trace(
            _scan("((lower(users.city) = 'ulm'::text) AND (users.age > 30))", planned=3_100),
            name="a column, which has statistics, takes part",
        ),
        planned_trace(_scan("((users.city)::text = 'Ulm'::text)"), name="a varchar, shown as text"),
        planned_trace(node("Aggregate", node("Append", _scan(_LOWER), ms=60), ms=9_000), name="too fast"),
        planned_trace(_PAIRS, name="the pairs are the result, so nothing was decided by their number"),
        planned_trace(replace(_MONTHS, attributes={"Group Key": ["users.city"]}), name="groups by a column"),
        planned_trace(replace(_MONTHS, plan_rows=14.0), name="groups by an expression that was counted"),
    ),
)
