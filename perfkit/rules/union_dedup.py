"""UNION compared all rows to drop those that are equal, and there were none.

What it finds
    A UNION without ALL whose rows all were different.

Why is this slow
    UNION promises that no row comes twice, so it puts all columns of all rows into a hash table, or sorts
    them. Where the parts cannot have a row in common, because they are told apart by a column or hold a
    unique key, that is for nothing, and nothing can be returned before the last row was compared.

Example
    SELECT id, name FROM people UNION SELECT id, name FROM companies
    300,000 different rows: 240 ms, 67 ms with UNION ALL.

Use instead
    SELECT id, name FROM people UNION ALL SELECT id, name FROM companies
    only if it is sure that no row comes twice, neither from two parts nor from one.

Thresholds
    min_rows (10,000): rows that were compared (the size from which a scan counts in the other rules).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Some rows were equal. The text says UNION ALL, or is not known. The rows are grouped to compute
    something. Few rows are compared, the time goes elsewhere, or it never ran.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.scan_builders import plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK235", "union-dedup"
_UNION = re.compile(r"\bUNION\b(?!\s+ALL\b)", re.IGNORECASE)
_SORTS = ("Sort", "Incremental Sort")
_PASSING = (*_SORTS, "Gather", "Gather Merge")
_APPENDS = ("Append", "Merge Append")
# Today's data only shows that it may be so: whether two rows can be equal is for the person to say.
_CONFIDENCE = 0.5


def union_dedup(trace: Trace, *, min_rows: float = 10_000) -> Iterator[Finding]:
    """Find UNIONs that found no two equal rows.

    Args:
        trace: a block with plans.
        min_rows: rows that were compared.
    """
    for number, plan, duration_ms in measured_plans(trace):
        if not _UNION.search(plan.query_text):
            continue
        for item in plan.nodes():
            path = _path_to_append(item)
            rows = path[-1].total_rows or 0.0 if path else 0.0
            if rows < max(1.0, min_rows) or (item.total_rows or 0.0) < rows:
                continue
            if is_worth_a_line(_saving_ms(item, path), duration_ms):
                yield _finding(trace, number, plan, item, path)


def _path_to_append(item: PlanNode) -> list[PlanNode]:
    """The nodes from one that drops equal rows down to the parts of a UNION; empty for other nodes."""
    if not _drops_equal_rows(item) or not item.executed:
        return []
    path = list(item.children[:1])
    while path and path[-1].node_type in _PASSING and path[-1].children:
        path.append(path[-1].children[0])
    return path if path and path[-1].node_type in _APPENDS and len(path[-1].children) > 1 else []


def _drops_equal_rows(item: PlanNode) -> bool:
    """Unique, or a grouping that returns nothing but what it groups by."""
    if item.node_type != "Aggregate":
        return item.node_type == "Unique"
    keys, output = item.attributes.get("Group Key"), item.attributes.get("Output")
    if not isinstance(keys, list) or not isinstance(output, list):
        return False
    return len(keys) == len(output)


def _saving_ms(item: PlanNode, path: list[PlanNode]) -> float:
    """Comparing the rows, and the sorts that are made for it."""
    return (item.self_time_ms or 0.0) + sum(sort.self_time_ms or 0.0 for sort in _sorts(path))


def _sorts(path: list[PlanNode]) -> list[PlanNode]:
    parts = path[-1].children if path[-1].node_type == "Merge Append" else ()
    return [step for step in (*path, *parts) if step.node_type in _SORTS]


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, path: list[PlanNode]) -> Finding:
    saving_ms = saving_in_block(_saving_ms(item, path), plan, trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace),
        message=f"UNION compared {about(path[-1])} rows, and no two of them were equal.",
        advice=(
            "If it is sure that no row can come twice, neither from two parts nor from one, leave out the "
            "comparison.\nSELECT ... UNION ALL SELECT ..."
        ),
        refutation=(
            "Refuted if equal rows can come with other data: a unique key in each part and a column that "
            "tells the parts apart would rule that out."
        ),
        confidence=_CONFIDENCE,
        location=plan.call_site,
        offenders=tuple(step.node_id for step in (*_sorts(path), item)),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"Comparing took {_saving_ms(item, path):,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",),
    )


def _parts(*, rows: float = 150_000, ms: float = 20) -> PlanNode:
    first = node("Seq Scan", ms=ms / 4, rows=rows, relation_name="people")
    second = node("Seq Scan", ms=ms / 4, rows=rows, relation_name="companies")
    return node("Append", first, second, ms=ms, rows=2 * rows)


def _hashed(*, rows: float = 300_000, ms: float = 240, each: float = 150_000, output: int = 2) -> PlanNode:
    keys = ["people.id", "people.name"]
    return node(
        "Aggregate", _parts(rows=each), ms=ms, rows=rows, Strategy="Hashed", Group_Key=keys,
        Output=[*keys, "count(*)"][:output],
    )  # fmt: skip


_SQL = "SELECT id, name FROM people UNION SELECT id, name FROM companies"
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=union_dedup,
    fires_on=(
        plan_trace(_hashed(), query_text=_SQL),
        plan_trace(
            node("Unique", node("Sort", _parts(), ms=200, rows=300_000), ms=230, rows=300_000),
            query_text=_SQL,
        ),
    ),
    silent_on=(
        # Some rows were equal.
        plan_trace(_hashed(rows=299_000), query_text=_SQL),
        # It says ALL: the rows are grouped afterwards. Nobody knows the text.
        plan_trace(_hashed(), query_text=_SQL.replace("UNION", "UNION ALL")),
        plan_trace(_hashed(), query_text=""),
        # The rows are grouped to count them.
        plan_trace(_hashed(output=3), query_text=_SQL),
        # Few rows.
        plan_trace(_hashed(rows=900, each=450, ms=22), query_text=_SQL),
        # It takes next to none of the time.
        plan_trace(node("Hash Join", _hashed(ms=24), ms=4_000), query_text=_SQL),
    ),
)
