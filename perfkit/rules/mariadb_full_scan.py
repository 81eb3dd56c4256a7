"""MariaDB reads a whole table to keep a few of its rows.

What it finds
    A table with access type ALL of which at most a tenth of the rows pass the condition.

Why is this slow
    Without an index that fits the condition, every row of the table is read and tested. The time grows with
    the table, however few rows are wanted.

Example
    SELECT * FROM orders WHERE status = 'refunded'
    r_rows 200,000, r_filtered 0.1: 200 rows are kept.

Use instead
    ALTER TABLE `orders` ADD INDEX (`status`);
    Columns that are compared for equality first, then one that is compared by a range. MariaDB commits the
    open transaction when it creates an index, so try it on another connection.

Thresholds
    max_filtered (10): per cent of the rows that pass; above, reading everything is often the fastest way.
    min_read_rows (10,000): rows read over all loops. A smaller table is a few dozen pages.
    min_time_share (0.1): the scan's own share of the execution time, from 0 to 1.
    In all rules about plans, a saving below 1 ms or 2 % of the execution is not worth a line.

Stays silent when
    The table is small, or many rows are kept. The scan never ran, or reads a derived table. An index on the
    condition exists and was not taken, or none can answer it. A LIMIT ended the scan. `filtered` alone, the
    estimate, says nothing: InnoDB has no statistics on columns without an index.
"""

from collections.abc import Iterator
from typing import Any

from perfkit.model.builders import trace as block
from perfkit.model.finding import Finding
from perfkit.model.mariadb_plan import read_mariadb_plan
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_averages import about
from perfkit.model.plan_dialects import condition_arms, index_columns, name_in
from perfkit.model.plan_savings import (
    is_worth_a_line,
    measured_plans,
    own_time_words,
    saving_in_block,
    table_name,
)
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK294", "mariadb-full-scan"
_SYSTEMS = ("mariadb", "mysql")
# A scan that read clearly less than the table has was ended by a LIMIT; InnoDB's count is a sample.
_WHOLE = 0.9


def mariadb_full_scan(
    trace: Trace,
    *,
    max_filtered: float = 10.0,
    min_read_rows: float = 10_000,
    min_time_share: float = 0.1,
) -> Iterator[Finding]:
    """Find scans of a whole table that keep few of its rows.

    Args:
        trace: a block with plans.
        max_filtered: per cent of the rows that pass the condition.
        min_read_rows: rows read over all loops.
        min_time_share: the scan's own share of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace, system_names=_SYSTEMS):
        for scan in plan.nodes():
            said, own_ms = scan.attributes, scan.self_time_ms or 0.0
            is_large = said.get("access_type") == "ALL" and _rows(scan) >= min_read_rows
            if not is_large or said.get("possible_keys"):
                continue
            if _number(scan, "r_filtered") > max_filtered or own_ms < min_time_share * duration_ms:
                continue
            columns = _columns(scan)
            if columns and not _is_ended_early(scan) and is_worth_a_line(_saving_ms(scan), duration_ms):
                yield _finding(trace, number, plan, scan, columns)


def _number(scan: PlanNode, key: str) -> float:
    value = scan.attributes.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _columns(scan: PlanNode) -> tuple[str, ...]:
    condition = str(scan.attributes.get("attached_condition", ""))
    return index_columns(condition_arms(scan, condition, "mysql"), "mysql")


def _rows(scan: PlanNode) -> float:
    """Rows read over all loops."""
    return (scan.total_rows or 0.0) + (scan.total_rows_removed or 0.0)


def _is_ended_early(scan: PlanNode) -> bool:
    expected = _number(scan, "rows")
    return _rows(scan) < _WHOLE * expected * (scan.actual_loops or 0)


def _saving_ms(scan: PlanNode) -> float:
    return (scan.self_time_ms or 0.0) * (scan.total_rows_removed or 0.0) / max(1.0, _rows(scan))


def _finding(trace: Trace, number: int, plan: Plan, scan: PlanNode, columns: tuple[str, ...]) -> Finding:
    saving_ms, read = saving_in_block(_saving_ms(scan), plan, trace), _rows(scan)
    kept = about(scan)
    statement = f"ALTER TABLE {name_in(table_name(scan), 'mysql')} ADD INDEX ({', '.join(columns)});"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=f"{table_name(scan)}: {about(scan, read)} rows are read to keep {kept}.",
        advice=(
            "An index on the columns of the condition would lead straight to these rows. It is suggested, "
            f"not proved; MariaDB commits the open transaction when it creates one.\n{statement}"
        ),
        refutation=(
            "Refuted if the plan stays the same with the index in place, or if column and value differ in "
            "type or collation: then no index on the column can be used."
        ),
        confidence=0.8,
        location=plan.call_site,
        offenders=(scan.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"attached_condition: {scan.attributes.get('attached_condition')}",
            own_time_words("scan", scan, plan),
        ),
    )


def _scanned(**said: Any) -> Trace:
    """A statement that reads one table, as MariaDB describes it."""
    table: dict[str, Any] = {
        "table_name": "orders", "access_type": "ALL", "r_loops": 1, "rows": 199_188, "r_rows": 200_000,
        "r_table_time_ms": 27.1, "r_other_time_ms": 5.8, "filtered": 100, "r_filtered": 0.1,
        "attached_condition": "orders.`status` = 'refunded'", **said,
    }  # fmt: skip
    total_ms = table["r_table_time_ms"] + table["r_other_time_ms"]
    data = {"query_block": {"r_loops": 1, "r_total_time_ms": total_ms, "nested_loop": [{"table": table}]}}
    return block(plans=(read_mariadb_plan(data),), duration_ms=total_ms)


RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    plans_of=_SYSTEMS,
    check=mariadb_full_scan,
    fires_on=(
        _scanned(),
        _scanned(
            attached_condition="orders.amount between 5 and 9 and orders.note like '%x%'", r_filtered=0.02
        ),
        # Read again for each row of another table.
        _scanned(r_loops=40, rows=900, r_rows=900),
    ),
    silent_on=(
        # Half of the table is wanted.
        _scanned(r_filtered=50),
        # A small table.
        _scanned(rows=900, r_rows=900),
        # A LIMIT ended it.
        _scanned(r_rows=20_000),
        # An index exists, and MariaDB thought better of it.
        _scanned(possible_keys=["orders_status"]),
        # No index on plain columns answers it.
        _scanned(attached_condition="orders.note like '%late%' and lower(orders.`status`) = 'x'"),
        # Little was expected to pass, everything did.
        _scanned(filtered=0.1, r_filtered=100),
        # It goes through an index.
        _scanned(access_type="range", key="orders_status"),
        # Soon done.
        _scanned(r_table_time_ms=0.5, r_other_time_ms=0.1),
    ),
)
