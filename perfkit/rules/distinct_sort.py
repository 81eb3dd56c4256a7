"""count(DISTINCT …) sorted all rows on disk, where a hash table of the few values would do.

What it finds
    An aggregate with DISTINCT inside, for which all rows were sorted through the disk.

Why is this slow
    PostgreSQL finds equal values inside an aggregate only by sorting: all rows, by the groups and then by
    the value. It does not hash them, and not more than one process does it. SELECT DISTINCT can hash: the
    table holds each value once, which is little where the values are few.

Example
    SELECT count(DISTINCT customer_id) FROM orders
    sorts 1,000,000 rows on disk: 2,000 ms.

Use instead
    SELECT count(customer_id) FROM (SELECT DISTINCT customer_id FROM orders) AS d
    and with groups
    SELECT shop_id, count(customer_id) FROM (SELECT DISTINCT shop_id, customer_id FROM orders) AS d
    GROUP BY shop_id
    In our measurement of 300,000 rows with 1,000 values: 36 ms instead of 65, and 44 instead of 145 with
    groups. With as many values as rows the hash table does not fit either, and takes longer.

Thresholds
    min_disk_kb (1): kilobytes on disk from which it is a finding, as in sort-on-disk.
    max_distinct_share (0.1): different combinations of groups and values, for each row. Above it the hash
        table is nearly as large as the sort; in our measurement with as many as rows it was slower.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The sort fits into memory. The values are known to be many. The rows are grouped without DISTINCT
    inside. The time goes elsewhere, or it never ran.
"""

import math
import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_conditions import sort_columns
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import scan_below
from perfkit.model.scan_builders import known_table, plan_trace
from perfkit.model.sql_names import unquoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK236", "distinct-sort"
_DISTINCT = re.compile(r"\b(?P<function>\w+)\(DISTINCT (?P<value>.+)\)$")
_SORTS = ("Sort", "Incremental Sort")
# What hashing saved of the sort in our measurements: 44 to 70 %.
_SAVING = 0.5
_KNOWN, _UNKNOWN = 0.75, 0.5


def distinct_sort(
    trace: Trace, *, min_disk_kb: float = 1.0, max_distinct_share: float = 0.1
) -> Iterator[Finding]:
    """Find aggregates with DISTINCT inside that sorted all rows on disk.

    Args:
        trace: a block with plans.
        min_disk_kb: size on disk in kilobytes.
        max_distinct_share: different combinations of groups and values, for each row, where they are known.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for item in plan.nodes():
            sort = _sort(item)
            if sort is None or not _call(item) or _disk_kb(sort) < min_disk_kb:
                continue
            share = _distinct_share(plan, sort)
            is_few = share is None or share <= max_distinct_share
            if is_few and is_worth_a_line(_saving_ms(sort), duration_ms):
                yield _finding(trace, number, plan, item, sort)


def _sort(aggregate: PlanNode) -> PlanNode | None:
    """The sort that an aggregate needs: the node below from PostgreSQL 16 on, before it is inside."""
    if aggregate.node_type != "Aggregate" or not aggregate.executed:
        return None
    below = aggregate.children[0] if aggregate.children else None
    return below if below is not None and below.node_type in _SORTS else aggregate


def _call(aggregate: PlanNode) -> re.Match[str] | None:
    output = aggregate.attributes.get("Output")
    calls = (_DISTINCT.search(str(text)) for text in (output if isinstance(output, list) else ()))
    return next((call for call in calls if call), None)


def _disk_kb(sort: PlanNode) -> float:
    if sort.node_type == "Aggregate":
        return sort.self_buffers.temp_written * 8.0
    used = sort.attributes.get("Sort Space Used")
    is_on_disk = sort.attributes.get("Sort Space Type") == "Disk"
    return float(used) if is_on_disk and isinstance(used, int | float) else 0.0


def _saving_ms(sort: PlanNode) -> float:
    return (sort.self_time_ms or 0.0) * _SAVING


def _distinct_share(plan: Plan, sort: PlanNode) -> float | None:
    """At most how many different combinations there are for each row; `None` where nobody counted."""
    scan = scan_below(sort) if sort.node_type in _SORTS else None
    table = plan.table_of(scan) if scan is not None else None
    keys = sort.attributes.get("Sort Key")
    columns = sort_columns(sort, scan) if scan is not None else ()
    if table is None or not isinstance(keys, list) or len(columns) != len(keys) or table.rows <= 0:
        return None
    counts = [table.distinct_count(unquoted(key.column)) for key in columns]
    return None if None in counts else math.prod(count or 0.0 for count in counts) / table.rows


def _finding(trace: Trace, number: int, plan: Plan, item: PlanNode, sort: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(sort), plan, trace)
    rows = sum(child.total_rows or 0.0 for child in sort.children)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{about(sort, rows).capitalize()} rows were sorted through "
            f"{_disk_kb(sort) * 1024 / 1e6:,.1f} MB on disk to find equal values inside an aggregate."
        ),
        advice=_advice(item, sort),
        refutation=(
            "Refuted if there are nearly as many different values as rows: then the hash table does not fit "
            "into memory either."
        ),
        confidence=_UNKNOWN if _distinct_share(plan, sort) is None else _KNOWN,
        location=plan.call_site,
        offenders=(sort.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(f"Sorting took {sort.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",),
    )


def _advice(item: PlanNode, sort: PlanNode) -> str:
    words = "Make the values distinct in a sub-query, which can hash them, and aggregate its rows."
    call = _call(item)
    scan = scan_below(item.children[0]) if sort is item and item.children else scan_below(sort)
    groups = item.attributes.get("Group Key")
    plain = [str(key).rpartition(".")[2] for key in (groups if isinstance(groups, list) else [])]
    value = call["value"].rpartition(".")[2] if call else ""
    if call is None or scan is None or "(" in value:
        return words
    source = f"(SELECT DISTINCT {', '.join([*plain, value])} FROM {relation(scan)}) AS d"  # noqa: S608 - shown
    outer = ", ".join([*plain, f"{call['function']}({value})"])
    grouped = f" GROUP BY {', '.join(plain)}" if plain else ""
    return f"{words}\nSELECT {outer} FROM {source}{grouped}"


def _counted(
    *,
    key: str = "orders.customer_id",
    output: str = "count(DISTINCT customer_id)",
    ms: float = 120,
    space: str = "Disk",
) -> PlanNode:
    scan = node("Seq Scan", ms=20, rows=300_000, relation_name="orders")
    sort = node(
        "Sort", scan, ms=ms, rows=300_000, Sort_Key=[key], Sort_Space_Type=space, Sort_Space_Used=5_300
    )
    return node("Aggregate", sort, ms=ms + 10, rows=1, Strategy="Plain", Output=[output])  # fmt: skip


def _counted_inside(*, temp: int) -> PlanNode:
    """As up to PostgreSQL 15."""
    scan = node("Seq Scan", ms=20, rows=300_000, relation_name="orders")
    return node(
        "Aggregate", scan, ms=130, rows=1, Output=["count(DISTINCT orders.customer_id)"],
        temp_written_blocks=temp,
    )  # fmt: skip


_TYPES = {"customer_id": "integer"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=distinct_sort,
    fires_on=(
        plan_trace(_counted(), known_table(_TYPES, relation_name="orders", distinct={"customer_id": 1_000})),
        planned_trace(_counted()),
        planned_trace(_counted_inside(temp=900)),
    ),
    silent_on=(
        # It fits into memory.
        planned_trace(_counted(space="Memory")),
        planned_trace(_counted_inside(temp=0)),
        # As many values as rows.
        plan_trace(_counted(), known_table(_TYPES, relation_name="orders")),
        # No DISTINCT inside: the sort is for the groups.
        planned_trace(_counted(output="count(customer_id)")),
        # The time goes elsewhere.
        planned_trace(node("Hash Join", _counted(ms=22), ms=4_000)),
        # It never ran.
        planned_trace(node("Append", node("Aggregate", node("Sort", loops=0), loops=0), ms=40)),
    ),
)
