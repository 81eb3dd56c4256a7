"""All rows get a random number and are sorted by it, to pick a few.

What it finds
    A sort by random().

Why is this slow
    Every row is read and drawn a number for, and all of them are compared, though ten are wanted. No index
    can help, since the order is another one each time.

Example
    SELECT * FROM products ORDER BY random() LIMIT 10
    reads and sorts 1,000,000 products to return 10.

Use instead
    SELECT * FROM products TABLESAMPLE SYSTEM (1) ORDER BY random() LIMIT 10
    reads one page in a hundred, picked at random. The rows of one page come together or not at all, which
    is good enough for a teaser and not for statistics. Or go to a random key:
    WHERE id >= (SELECT floor(random() * max(id)) FROM products) ORDER BY id LIMIT 10
    Where all rows are wanted in a random order, shuffle them in the program.

Thresholds
    min_rows (10,000): rows that were sorted (reference notes on EXPLAIN, rule 26).
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    Few rows are sorted, or sorting and reading them takes too little of the time. It never ran.
"""

import math
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.plan_shape import is_limited, scan_below
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK231", "order-by-random"
# Of twenty times the rows and twenty pages on average, enough are left when the draw is a poor one: the
# chance of not one page is below 1 in 10^8.
_SAMPLE_FACTOR, _SAMPLE_PAGES = 20, 20
# Where nobody knows the pages: rows of 80 bytes.
_ROWS_IN_PAGE = 100
_LIMITED, _SHUFFLED = 0.9, 0.6


def order_by_random(trace: Trace, *, min_rows: float = 10_000) -> Iterator[Finding]:
    """Find sorts by a random number.

    Args:
        trace: a block with plans.
        min_rows: rows that were sorted.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for sort in plan.nodes():
            if not _is_random(sort) or _rows(sort) < min_rows:
                continue
            if is_worth_a_line(_saving_ms(plan, sort), duration_ms):
                yield _finding(trace, number, plan, sort)


def _is_random(sort: PlanNode) -> bool:
    keys = sort.attributes.get("Sort Key")
    first = str(keys[0]) if isinstance(keys, list) and keys else ""
    return bool(sort.executed) and "random()" in first


def _rows(sort: PlanNode) -> float:
    return sum(child.total_rows or 0.0 for child in sort.children if child.parent_relationship == "Outer")


def _saving_ms(plan: Plan, sort: PlanNode) -> float:
    """A sample also saves reading the rows; a shuffle in the program saves sorting them here."""
    return (sort.total_time_ms if is_limited(plan, sort) else sort.self_time_ms) or 0.0


def _finding(trace: Trace, number: int, plan: Plan, sort: PlanNode) -> Finding:
    saving_ms = saving_in_block(_saving_ms(plan, sort), plan, trace)
    limited = is_limited(plan, sort)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{about(sort, _rows(sort)).capitalize()} rows are sorted by a random number to return "
            f"{about(sort)}."
        ),
        advice=_advice(plan, sort) if limited else _SHUFFLE,
        refutation=(
            "Refuted if each row must be picked with the same chance and independently of the others: a "
            "sample takes whole pages, and a random key prefers rows after gaps."
        ),
        confidence=_LIMITED if limited else _SHUFFLED,
        location=plan.call_site,
        offenders=(sort.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"Reading and sorting: {sort.total_time_ms or 0.0:,.1f} of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


_SHUFFLE = (
    "All rows are wanted: fetch them as they come and shuffle them in the program.\nrandom.shuffle(rows)"
)


def _advice(plan: Plan, sort: PlanNode) -> str:
    scan = scan_below(sort)
    wanted = max(1.0, sort.total_rows or 0.0)
    if scan is None or scan.attributes.get("Filter"):
        key = "(SELECT floor(random() * max(id)) FROM ...)"
        return (
            "Pick the rows by a random key before joining and filtering them.\n"
            f"WHERE id >= {key} ORDER BY id LIMIT {wanted:.0f}"
        )
    return (
        "Take a sample of pages, and sort only that.\n"
        f"FROM {relation(scan)} TABLESAMPLE SYSTEM ({_percent(plan, sort, scan, wanted):g}) "
        f"ORDER BY random() LIMIT {wanted:.0f}"
    )


def _percent(plan: Plan, sort: PlanNode, scan: PlanNode, wanted: float) -> float:
    """A sample that all but certainly has enough rows: each page is taken with this chance."""
    table = plan.table_of(scan)
    pages = table.pages if table and table.pages > 0 else scan.buffers.shared or _rows(sort) / _ROWS_IN_PAGE
    share = max(_SAMPLE_PAGES / pages, _SAMPLE_FACTOR * wanted / _rows(sort))
    return min(100.0, math.ceil(share * 1000) / 10)


def _random(
    *, rows: float = 5, of: float = 300_000, ms: float = 60, key: str = "(random())", condition: str = ""
) -> PlanNode:
    scan = node("Seq Scan", ms=ms / 2, rows=of, relation_name="products", Filter=condition)
    return node("Sort", scan, ms=ms, rows=rows, Sort_Key=[key])


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=order_by_random,
    fires_on=(
        planned_trace(node("Limit", _random(), ms=60, rows=5)),
        planned_trace(node("Limit", _random(condition="(products.is_new)"), ms=60, rows=5)),
        planned_trace(_random(rows=300_000)),
    ),
    silent_on=(
        # Another order.
        planned_trace(node("Limit", _random(key="products.name"), ms=60, rows=5)),
        planned_trace(node("Limit", _random(key="products.random"), ms=60, rows=5)),
        # Few rows.
        planned_trace(node("Limit", _random(of=900), ms=60, rows=5)),
        # It takes next to none of the time.
        planned_trace(node("Append", _random(ms=0.5), node("Seq Scan", ms=60), ms=61)),
        # It never ran.
        planned_trace(node("Append", node("Sort", loops=0, Sort_Key=["(random())"]), ms=40)),
    ),
)
