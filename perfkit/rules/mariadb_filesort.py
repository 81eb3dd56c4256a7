"""MariaDB sorted more rows than fit into its sort buffer.

What it finds
    A filesort that wrote its rows to temporary files and merged them (r_sort_passes).

Why is this slow
    A sort may use sort_buffer_size, 2 MB by default. What does not fit is sorted in pieces that are written
    to disk and merged.

Example
    SELECT * FROM orders ORDER BY note, id DESC
    200,000 rows through a buffer of 2 MB.

Use instead
    Sort less: only the columns that are needed, a condition or a LIMIT before the sort. With a LIMIT, an
    index in this order needs no sort at all. Memory is the last resort:
    SET SESSION sort_buffer_size = 33554432;
    In three interleaved runs of the example on a fast disk it saved nothing.

Thresholds
    min_passes (1): merge passes from which it is a finding.
    min_time_share (0.1): the sort's own share of the execution time, from 0 to 1.
    min_sort_ms (20): the sort's own time in milliseconds.

Stays silent when
    The sort fits into memory, or keeps only the first rows (r_used_priority_queue). Sorting takes too little
    of the time. It is never more than "info": memory alone is no sure gain.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_savings import measured_plans, own_time_words
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule

CODE, NAME = "PK295", "mariadb-filesort"
_SYSTEMS = ("mariadb", "mysql")


def mariadb_filesort(
    trace: Trace, *, min_passes: int = 1, min_time_share: float = 0.1, min_sort_ms: float = 20.0
) -> Iterator[Finding]:
    """Find sorts that did not fit into memory.

    Args:
        trace: a block with plans.
        min_passes: merge passes from which it is a finding.
        min_time_share: the sort's own share of the execution time, from 0 to 1.
        min_sort_ms: the sort's own time in milliseconds.
    """
    for number, plan, duration_ms in measured_plans(trace, system_names=_SYSTEMS):
        for sort in plan.nodes():
            passes = sort.attributes.get("r_sort_passes")
            is_merged = (
                sort.node_type == "filesort" and isinstance(passes, int | float) and passes >= min_passes
            )
            is_long = (sort.self_time_ms or 0.0) >= max(min_sort_ms, min_time_share * duration_ms)
            if is_merged and is_long:
                yield _finding(number, plan, sort)


def _finding(number: int, plan: Plan, sort: PlanNode) -> Finding:
    said = sort.attributes
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info",
        message=(f"Sorting {about(sort)} rows did not fit into {said.get('r_buffer_size', 'memory')}."),
        advice=(
            "Sort less: fewer columns, a condition or a LIMIT before the sort; with a LIMIT an index in this "
            "order needs none. Else try more memory in this session.\n"
            "SET SESSION sort_buffer_size = 33554432;"
        ),
        refutation=(
            "Refuted if the statement is as slow with a larger sort_buffer_size: then the sort itself is the "
            "cost, not the files."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(sort.node_id,),
        plan=number,
        evidence=(
            f"sort_key: {said.get('sort_key')}; r_sort_passes: {said.get('r_sort_passes')}",
            own_time_words("sort", sort, plan),
        ),
    )


def _sorted(total_ms: float = 257, table_ms: float = 67, **said: Any) -> Trace:
    """A sort of a whole table, as MariaDB describes it."""
    table = {
        "table_name": "orders",
        "access_type": "ALL",
        "r_loops": 1,
        "r_rows": 200_000,
        "r_table_time_ms": table_ms,
        "r_other_time_ms": 162,
        "r_filtered": 100,
    }
    sort = {
        "sort_key": "orders.note", "r_loops": 1, "r_total_time_ms": total_ms - 28, "r_output_rows": 200_000,
        "r_sort_passes": 1, "r_buffer_size": "2047KiB", "table": table,
    } | said  # fmt: skip
    file = {"read_sorted_file": {"r_rows": 200_000, "filesort": sort}}
    data = {"query_block": {"r_loops": 1, "r_total_time_ms": total_ms, "nested_loop": [file]}}
    return block(plans=(read_mariadb_plan(data),), duration_ms=total_ms)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=_SYSTEMS,
    check=mariadb_filesort,
    fires_on=(_sorted(),),
    silent_on=(
        # In memory.
        _sorted(r_sort_passes=None),
        _sorted(r_sort_passes=0),
        # Only the first rows are kept.
        _sorted(r_used_priority_queue=True, r_limit=10, r_sort_passes=None, r_output_rows=11),
        # Reading takes the time, not sorting.
        _sorted(table_ms=220),
        # Soon done.
        _sorted(total_ms=40, table_ms=2),
    ),
)
