"""Whole rows are returned that carry long values.

What it finds
    A statement that returns all columns of a table, a kilobyte a row and more, and many rows of it.

Why is this slow
    Every byte is read, copied, sent over the network and turned into a Python object, whether the program
    looks at it or not. Sorts and hashes on the way hold the long values too. EXPLAIN shows hardly anything
    of that time, for it throws the rows away.

Example
    SELECT * FROM articles ORDER BY title
    10,000 articles with a text of 1,800 bytes each, for a list of titles: the program waits 46 ms instead of
    5, on the same machine. EXPLAIN shows 2 ms in either case.

Use instead
    SELECT id, title FROM articles ORDER BY title
    with SQLAlchemy: select(Article).options(load_only(Article.id, Article.title)), or defer(Article.body).

Thresholds
    min_width (1,000): bytes of an average row, as the planner expects them.
    min_bytes (1,000,000): bytes of all rows that are returned: 80 ms at 100 megabits a second.
    Where it was measured what handing over the rows took, a saving below 1 ms or 2 % of the execution is not
    worth a line.

Stays silent when
    Columns were chosen. Few rows are returned, as with a LIMIT or an aggregate. The rows are narrow. Values
    that PostgreSQL stores outside of the row (TOAST) count 18 bytes in its statistics and are not seen.
"""

import re
from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.catalog import Column, Table
from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_table, node
from perfkit.model.plan_builders import plan as example_plan
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK218", "wide-rows"
# `SELECT *`, `SELECT DISTINCT *`, `SELECT articles.*`, as the first of what is selected.
_EVERYTHING = re.compile(r"\A\s*select\s+(?:distinct\s+)?(?:[\w\"]+\s*\.\s*)?\*", re.IGNORECASE)
# A column of this many bytes is most of what a row of a dozen numbers and dates has.
_LONG_BYTES = 200
# A second on a line of 100 megabits: not worth discussing how it was measured.
_HEAVY_BYTES = 10_000_000


def wide_rows(trace: Trace, *, min_width: float = 1000, min_bytes: float = 1_000_000) -> Iterator[Finding]:
    """Find statements that return whole rows with long values.

    Args:
        trace: a block with plans.
        min_width: bytes of an average row.
        min_bytes: bytes of all rows that are returned.
    """
    for number, plan, duration_ms in measured_plans(trace):
        root = plan.root
        width = root.plan_width or 0
        if width < max(1.0, min_width) or width * (root.total_rows or 0.0) < min_bytes:
            continue
        scan = _whole_table(plan)
        table = plan.table_of(scan) if scan is not None else None
        saving_ms = _saving_ms(plan, table)
        is_worth = saving_ms is None or is_worth_a_line(saving_ms, duration_ms)
        if is_worth and (scan is not None or _EVERYTHING.match(plan.query_text)):
            yield _finding(trace, number, plan, scan, saving_ms)


def _whole_table(plan: Plan) -> PlanNode | None:
    """A scan of a table all of whose columns are returned, some of them long."""
    output = plan.root.attributes.get("Output")
    for scan in plan.nodes():
        table = plan.table_of(scan)
        if table is None or not isinstance(output, list) or not _long_columns(table):
            continue
        names = {quoted(column.name) for column in table.columns}
        # With one table in the statement columns stand without it.
        qualified = {f"{quoted(scan.alias or '')}.{name}" for name in names}
        columns = set(map(str, output))
        if names <= columns or qualified <= columns:
            return scan
    return None


def _long_columns(table: Table) -> list[Column]:
    found = [column for column in table.columns if column.width_bytes >= _LONG_BYTES]
    return sorted(found, key=lambda column: -column.width_bytes)


def _saving_ms(plan: Plan, table: Table | None) -> float | None:
    """The long columns' share of handing over the rows; `None` where that was not measured."""
    spent_ms = plan.serialization_time_ms
    if plan.client_time_ms is not None:
        spent_ms = max(0.0, plan.client_time_ms - (plan.root.total_time_ms or 0.0))
    if spent_ms is None or table is None:
        return None
    return spent_ms * sum(column.width_bytes for column in _long_columns(table)) / max(1, table.row_bytes)


def _advice(scan: PlanNode | None, table: Table | None) -> str:
    words = "Name the columns that are used"
    if scan is None or table is None:
        return f"{words} in place of the asterisk; with SQLAlchemy: options(load_only(…))."
    short = [quoted(column.name) for column in table.columns if column.width_bytes < _LONG_BYTES]
    long = ", ".join(column.name for column in _long_columns(table))
    return (
        f"{words}, and leave {long} to the statement that needs it; with SQLAlchemy: options(load_only(…)) "
        f"or options(defer(…)).\nSELECT {', '.join(short) or '…'} FROM {relation(scan)} …"
    )


def _finding(
    trace: Trace, number: int, plan: Plan, scan: PlanNode | None, saving_ms: float | None
) -> Finding:
    root, table = plan.root, plan.table_of(scan) if scan is not None else None
    saved_ms = None if saving_ms is None else saving_in_block(saving_ms, plan, trace)
    width, rows = root.plan_width or 0, root.total_rows or 0.0
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saved_ms or 0.0, trace, grows_with_data=width * rows >= _HEAVY_BYTES),
        message=(
            f"{rows:,.0f} whole rows of about {width:,} bytes are returned: {width * rows / 1e6:,.1f} MB."
        ),
        advice=_advice(scan, table),
        refutation=(
            "Refuted if the program uses the long values of all these rows, or if the statement with few "
            "columns takes as long, seen from the program."
        ),
        confidence=0.6,
        location=plan.call_site,
        offenders=(root.node_id,),
        plan=number,
        saving_ms=saved_ms,
        evidence=tuple(
            f"{column.name}: {column.width_bytes:,} bytes on average"
            for column in (_long_columns(table)[:3] if table is not None else ())
        ),
    )


def _scan(*columns: str, width: int = 2_064, rows: float = 20_000, **said: Any) -> PlanNode:
    output = [f"articles.{name}" for name in columns]
    return node(
        "Seq Scan", ms=9, rows=rows, relation_name="articles", Output=output, plan_width=width, **said
    )


def _sent(text: str, root: PlanNode, *tables: Table, **said: Any) -> Trace:
    made = example_plan(root, query_text=text, tables=tables, **said)
    return block(plans=(made,), duration_ms=made.duration_ms)


_ALL = ("id", "title", "body")
_TEXT = "SELECT id, title, body FROM articles"
_SHORT = (Column("id", "integer", 4), Column("title", "text", 60))
_ARTICLES = example_table("articles", columns=(*_SHORT, Column("body", "text", 2_000)))
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=wide_rows,
    fires_on=(
        _sent(_TEXT, _scan(*_ALL), _ARTICLES),
        # What the program waited for the rows tells what they cost.
        _sent(_TEXT, _scan(*_ALL), _ARTICLES, client_time_ms=120.0),
        # Nobody asked the catalogue, but the statement says it.
        _sent("SELECT * FROM articles", _scan(*_ALL)),
    ),
    silent_on=(
        # Columns were chosen, if long ones.
        _sent("SELECT id, body FROM articles", _scan("id", "body"), _ARTICLES),
        _sent("SELECT id, body FROM articles", _scan("id", "body")),
        # Few rows.
        _sent(_TEXT, _scan(*_ALL, rows=10), _ARTICLES),
        # Narrow rows.
        _sent(_TEXT, _scan("id", "title", width=64), example_table("articles", columns=_SHORT)),
        # Handing over the rows took no time.
        _sent(_TEXT, _scan(*_ALL), _ARTICLES, client_time_ms=9.5),
        # All of them are counted.
        _sent("SELECT count(*) FROM articles", node("Aggregate", _scan(*_ALL), ms=12, plan_width=8)),
    ),
)  # fmt: skip
